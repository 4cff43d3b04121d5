"""Sources: where a data set's samples and images come from.

| module | noun |
| --- | --- |
| `opening` | the first source of a card that has its data |
| `ways` | how a user gets the data where there is none |
| `base` | what every source gives: samples, and the bytes of their images |
| `local`, `medmnist`, `archive`, `chexpert`, `hub` | sources by the form of their data |
| `bbbc021`, `hpa`, `wsivqa`, `gathered` | sources in a publisher's own form |
| `containers`, `checksum`, `download`, `places` | archives read in place, files and folders |
"""

from resolution_eval.sources.base import Exclusion, Sample, Source, data_facts, data_summary
from resolution_eval.sources.opening import at_hand, open_source
from resolution_eval.sources.ways import PUBLISHED_FORMS, ways

__all__ = [
    "PUBLISHED_FORMS",
    "Exclusion",
    "Sample",
    "Source",
    "at_hand",
    "data_facts",
    "data_summary",
    "open_source",
    "ways",
]
