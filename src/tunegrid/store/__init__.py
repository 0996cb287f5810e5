"""The disk: run directories, locks, provenance, and finding and fetching inputs."""
