"""Models: families of Hugging Face, Flamingo, lmms-eval's own models, providers' rules."""
