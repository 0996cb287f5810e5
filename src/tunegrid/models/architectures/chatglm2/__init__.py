"""ChatGLM2-6B: GLM with its projections fused and its own names."""
