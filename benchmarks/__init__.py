"""Measurements of accuracy, speed and memory, each runnable as a module."""
