"""Sweeps: from the words of a sweep file and a command line to checked cells."""
