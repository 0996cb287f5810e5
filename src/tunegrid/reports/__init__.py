"""Finished cells to rows, and rows to tables and figures. Reads run directories, writes none."""
