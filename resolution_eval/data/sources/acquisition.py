"""Acquisition: how a user gets the data of a card, said where there is none, and in docs."""

from __future__ import annotations

from resolution_eval.data.cards import GENERATED, ArchiveCard, NpzCard, TaskCard
from resolution_eval.data.sources.layout import TABLE
from resolution_eval.data.sources.published import SETS
from resolution_eval.data.sources.roots import DATA_VARIABLE, data_root

PUBLISHED_FORMS = {
    "bbbc021": "BBBC021_v1_image.csv, BBBC021_v1_moa.csv and the plates' zip files",
    "wsivqa": "WsiVQA_train.json, WsiVQA_val.json, WsiVQA_test.json and images/TCGA-XX-XXXX*.png, "
    "one picture per slide",
    "hpa": "proteinatlas.xml.gz, or XML files of single genes, and images/ANTIBODY/FILE.jpg as in "
    "their addresses",
}
"""Files of a publisher's own form, which the user puts in the data set's folder."""


def nothing_found(card: TaskCard, reason: str | None = None) -> str:
    """The error where there is no data: what was looked for, and each way to get it."""
    root = data_root()
    where = f"none under {root}" if root else f"{DATA_VARIABLE} is not set"
    listed = "".join(f"\n  {number}. {way}" for number, way in enumerate(ways(card), start=1))
    needed = f" {card.registration}" if card.registration else ""
    return (
        f"no data for {card.name}: {where}{f'; {reason}' if reason else ''}.{needed} "
        f"Any one of these gives it:{listed}"
    )


def ways(card: TaskCard) -> list[str]:
    """Each way to get the data of `card`, in the order in which they are tried."""
    routes = ["nothing to get: it is generated"] if GENERATED & set(card.sources) else []
    routes += ["nothing to get: it comes with this package"] if "shipped" in card.sources else []
    by_hand = f" ({card.obtain})" if card.obtain else ""
    forms = [told for kind, told in PUBLISHED_FORMS.items() if kind in card.sources]
    forms += [SETS[card.name].told] if "published" in card.sources else []
    routes += [f"in ${DATA_VARIABLE}/{card.folder}: {told}{by_hand}" for told in forms]
    if "local" in card.sources:
        by_hand = "" if forms else by_hand
        routes.append(f"a folder ${DATA_VARIABLE}/{card.folder} with {TABLE} and images/{by_hand}")
    for kind, published in (("MedMNIST+ file", card.npz), ("archive", card.archive)):
        if published:
            routes.append(_file_way(kind, published))
    if card.chexpert:
        routes.append(f"the official folder ${DATA_VARIABLE}/CheXpert-v1.0 or CheXpert-v1.0-small")
    if card.hub:
        commit = f"commit {card.hub.revision}" if card.hub.revision else "no commit pinned"
        routes.append(
            f"{card.hub.repository} on the Hugging Face hub ({commit}), or its files in "
            f"${DATA_VARIABLE}/{card.folder}"
        )
    return routes


def _file_way(kind: str, published: NpzCard | ArchiveCard) -> str:
    size = f" ({published.bytes:,} bytes)" if published.bytes else ""
    place = f"by hand to ${DATA_VARIABLE}/{published.file_name}"
    if published.md5 and published.download:
        place = f"downloaded by itself where there is a connection, or {place}"
    return f"the {kind} {published.url}{size}, {place}"
