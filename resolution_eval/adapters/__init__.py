"""Model adapters for lmms-eval: each turns a request into an encoder grid and attests it."""
