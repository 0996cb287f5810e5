"""The stages of a cell: train, predict, score; each reads what the stages before it wrote."""
