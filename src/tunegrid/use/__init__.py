"""Finished cells put to use."""
