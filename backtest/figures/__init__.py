"""What a run earned, hedged and risked, in figures."""
