"""The commands of `tunegrid`."""
