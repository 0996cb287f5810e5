"""InternLM, version 1: Llama with biases in its attention."""
