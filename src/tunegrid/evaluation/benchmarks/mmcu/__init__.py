"""The benchmark MMCU: its files, its questions, and the letters in its answers."""

from tunegrid.evaluation.benchmarks.mmcu.benchmark import problems, read

__all__ = ["problems", "read"]
