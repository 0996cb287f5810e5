"""Cells to processes: who runs next, where, and how far the cells are meanwhile."""
