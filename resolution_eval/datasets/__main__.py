"""`python -m resolution_eval.datasets` writes docs/datasets.md anew."""

from resolution_eval.datasets.dataset_page import write

if __name__ == "__main__":
    write()
