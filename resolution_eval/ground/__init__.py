"""Ground: what every room stands on and that knows of none."""
