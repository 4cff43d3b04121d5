"""Score multimodal LLMs across inference resolutions, and attest the resolution each sample had."""

__version__ = "0.1.0"
