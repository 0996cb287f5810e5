"""Answers that other programs made, read into the form of our own."""
