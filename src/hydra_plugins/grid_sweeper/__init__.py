"""Hydra finds the grid sweeper here."""
