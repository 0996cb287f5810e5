"""Text to numbers: benchmarks, judges, statistics. Knows no cell and no run directory."""
