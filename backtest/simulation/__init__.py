"""Monte Carlo: a book hedged on many paths of a price model."""
