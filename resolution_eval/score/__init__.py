"""Score: one checkpoint on one set of images by one command.

| module | noun |
| --- | --- |
| `wishes` | what the user told |
| `subject` | what is scored, by its name, checked before anything heavy is imported |
| `material` | what it is scored on: a folder of images, or a task |
| `reach` | the resolutions within reach of the sources, of the training and of the time |
| `pace` | about how long a sweep takes on this machine |
| `session` | the whole: doctor, sweep, control without the image, report, next step |
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resolution_eval.score.session import Step


def verdict(
    checkpoint: str,
    images: str | PathLike[str],
    output: str | PathLike[str] = "scored",
    *,
    model_args: dict[str, str] | None = None,
    **wishes: Any,
) -> Iterator[Step]:
    """Score `checkpoint` on `images`, step by step: the verdict comes last.

    `wishes` are fields of `Wishes`: resolutions, samples, minutes, quick, blind, anyway, batch,
    probe.

    Raises:
        UsageError, DataError, ModelError: a name, a path or an argument is wrong; at once.
    """
    from resolution_eval.ground.errors import UsageError, output_folder, suggest
    from resolution_eval.score.material import named
    from resolution_eval.score.subject import subject
    from resolution_eval.score.wishes import Wishes

    for name in set(wishes) - set(Wishes.__dataclass_fields__):
        raise UsageError(f"there is no wish {name!r}; {suggest(name, Wishes.__dataclass_fields__)}")
    wanted, on = Wishes(**wishes), named(str(images))
    scored = subject(checkpoint, model_args)
    if wanted.probe is not None and not scored.served:
        raise UsageError(
            f"--probe asks a server what its model sees; that of {checkpoint} runs here, where "
            "tensors tell: leave it out"
        )
    folder = output_folder(Path(output))
    from resolution_eval.score.session import score

    return score(scored, on, folder, wanted)
