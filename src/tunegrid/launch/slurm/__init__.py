"""Cells of a sweep as jobs of a SLURM cluster: submitted, run, and read back from the disk."""
