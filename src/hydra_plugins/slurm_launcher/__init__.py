"""Hydra finds the SLURM launcher here."""
