"""lmms-eval's own models, built by their name, asked one batch at a time, and watched."""
