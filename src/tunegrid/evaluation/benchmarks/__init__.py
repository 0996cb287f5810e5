"""Benchmarks: one module each, with its reader, its scoring rule and its summary."""
