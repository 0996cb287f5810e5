"""ChatGLM-6B v1.1: a prefix that is read in both directions, positions in two dimensions."""
