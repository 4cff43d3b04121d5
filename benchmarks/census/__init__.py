"""Every image-text-to-text type of transformers, as a tiny checkpoint, run and looked at."""
