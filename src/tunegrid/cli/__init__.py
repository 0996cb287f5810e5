"""The edge: the grammar of the command lines, what is printed, and exit codes."""
