"""What is noted of how a base's images entered, beside their grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resolution_eval.evidence.attestation import Sent
from resolution_eval.models.families.parts import TowerGrid


def tile_notes(received: TowerGrid | None) -> tuple[str, ...]:
    """What is not read of an image that the base cut into tiles."""
    if received is None or received.images == 1:
        return ()
    return ("tiles were counted and measured; that they lie as expected was not read",)


def look_notes(again: Sequence[Sequence[TowerGrid]]) -> tuple[str, ...]:
    """What entered when the model looked again before it answered, look by look.

    Example:
        >>> look_notes([[TowerGrid(grid=(56, 84)), TowerGrid(grid=(112, 28))]])
        ('looked again, 1 time: at 56x84 and 112x28 (height x width)',)
    """
    if not any(again):
        return ()
    looks = [
        " and ".join(f"{one.grid[0]}x{one.grid[1]}" for one in look) or "nothing" for look in again
    ]
    times = "1 time" if len(looks) == 1 else f"{len(looks)} times"
    return (f"looked again, {times}: at {'; at '.join(looks)} (height x width)",)


def encoding_notes(sent: Sent | None) -> tuple[str, ...]:
    """That the base encodes images with loss on their way to its own model."""
    lossy: Mapping[str, str] = {"JPEG": "JPEG", "JPG": "JPEG", "WEBP": "WebP"}
    kind = None if sent is None else lossy.get(sent.format)
    return () if kind is None else (f"the base encoded the image as {kind}",)
