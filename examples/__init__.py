"""Files that ``gammacore init`` writes into a new project."""
