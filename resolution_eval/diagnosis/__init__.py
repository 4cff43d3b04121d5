"""Diagnosis: what a sweep would do to images, found before it is run."""
