"""Training: the examples of each optimizer step, the loss, checkpoints and the report."""
