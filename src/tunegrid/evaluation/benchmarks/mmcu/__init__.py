"""The benchmark MMCU: its files, its questions, and the letters in its answers."""

from tunegrid.evaluation.benchmarks.mmcu.benchmark import DECIDES_EARLY, problems, read

__all__ = ["DECIDES_EARLY", "problems", "read"]
