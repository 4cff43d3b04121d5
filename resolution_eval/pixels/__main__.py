"""`python -m resolution_eval.pixels` writes docs/pixels.md anew."""

from resolution_eval.pixels.pixel_page import write

if __name__ == "__main__":
    write()
