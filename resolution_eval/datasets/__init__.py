"""The registry of data sets as people read it.

| module | noun |
| --- | --- |
| `entry` | the list of data sets, and all that is known of one |
| `sheet` | its contact sheet |
| `image_overlap` | its test images that stand in the train splits of other sets |
"""

from resolution_eval.datasets.entry import describe, entries, find_card, list_datasets
from resolution_eval.datasets.sheet import contact_sheet

__all__ = ["contact_sheet", "describe", "entries", "find_card", "list_datasets"]
