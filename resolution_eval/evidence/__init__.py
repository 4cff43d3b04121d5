"""Evidence: what a run attests of its samples, of itself and of its data."""
