"""Studies: the recipes of our own experiments."""
