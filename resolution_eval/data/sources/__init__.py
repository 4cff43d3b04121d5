"""Sources: where a data set's samples and images come from.

| module | noun |
| --- | --- |
| `opener` | the first source of a card that has its data |
| `acquisition` | how a user gets the data where there is none |
| `source` | what every source gives: samples, and the bytes of their images |
| `local`, `medmnist`, `archive`, `chexpert`, `hub` | sources by the form of their data |
| `bbbc021`, `hpa`, `wsivqa`, `published` | sources in a publisher's own form |
| `phantoms`, `plate_source` | images that are drawn, not stored |
| `layout`, `delimited`, `normal_form`, `pictures` | what a local table says, line by line |
| `labels_row`, `row_faults` | what a row of it tells, and what is wrong with it |
| `image_limit` | a source without the questions about more images than a run asks about |
| `targets`, `coco`, `stored_size` | where in an image the finding is, and the image's size |
| `slide_views` | what of a whole slide is shown, and at how many µm per pixel |
| `sample_source` | what sources have in common that know all their samples |
| `option_letters` | options by their letters |
| `folder_files`, `duplicates` | files of a folder by their names, and copies among them |
| `folder_contents` | what the files of a folder held when they were first looked at |
| `containers`, `checksum`, `download`, `roots` | archives read in place, files and folders |
"""

from resolution_eval.data.sources.acquisition import PUBLISHED_FORMS, ways
from resolution_eval.data.sources.opener import at_hand, open_source
from resolution_eval.data.sources.source import Exclusion, Sample, Source, data_facts, data_summary

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
