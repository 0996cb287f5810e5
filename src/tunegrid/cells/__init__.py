"""One cell: its identity and checks, the state of its run directory, and its stages in order."""
