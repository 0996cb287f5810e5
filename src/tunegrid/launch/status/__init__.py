"""How far the cells of a sweep are, read from their run directories while others write them."""
