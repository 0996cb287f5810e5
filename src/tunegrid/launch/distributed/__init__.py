"""One cell on several processes."""
