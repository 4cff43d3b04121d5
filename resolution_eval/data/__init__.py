"""Data: cards of data sets and checkpoints, and the sources of samples and images."""
