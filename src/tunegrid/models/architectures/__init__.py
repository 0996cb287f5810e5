"""Native implementations of the study's bases that transformers lacks or computes eagerly only."""
