"""Bringing the inputs of a sweep onto this machine: bases, collections and benchmarks."""
