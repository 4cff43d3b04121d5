"""The loop that trains a small model from scratch, or any checkpoint further."""
