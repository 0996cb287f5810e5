"""Readers: one module a raw format, each turning a file into examples."""
