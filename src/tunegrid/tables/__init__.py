"""Finished cells to rows, and rows to what a person reads. Reads run directories, writes none."""
