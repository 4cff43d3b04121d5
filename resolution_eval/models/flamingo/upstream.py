"""The modules of the `open_flamingo` package, version 2, which everything here runs on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from resolution_eval.ground.errors import ModelError

INSTALL = "pip install --no-deps open_flamingo==2.0.1"


def _require() -> None:
    """Refuse an absent open_flamingo, and version 0 (another program that old resolvers pick)."""
    try:
        release = version("open_flamingo")
    except PackageNotFoundError as error:
        raise ModelError(f"the package open_flamingo is not installed; run: {INSTALL}") from error
    if not release.startswith("2."):
        raise ModelError(f"open_flamingo {release} is installed, 2.0.1 is needed; run: {INSTALL}")


_require()

from open_flamingo.src.factory import (  # noqa: E402
    _infer_decoder_layers_attr_name as infer_decoder_layers_name,
)
from open_flamingo.src.flamingo import Flamingo  # noqa: E402
from open_flamingo.src.flamingo_lm import FlamingoLMMixin  # noqa: E402
from open_flamingo.src.helpers import (  # noqa: E402
    MaskedCrossAttention,
    PerceiverAttention,
    PerceiverResampler,
)
from open_flamingo.src.utils import getattr_recursive  # noqa: E402

__all__ = [
    "Flamingo",
    "FlamingoLMMixin",
    "MaskedCrossAttention",
    "PerceiverAttention",
    "PerceiverResampler",
    "getattr_recursive",
    "infer_decoder_layers_name",
]
