"""The parts of benchmarks/gpu.py that compute in its own process."""
