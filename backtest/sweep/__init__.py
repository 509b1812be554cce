"""Many configurations at once: the grid, its cells, and what is chosen among them."""
