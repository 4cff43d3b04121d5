"""Score multimodal LLMs across inference resolutions, and attest the resolution each sample had.

Every Python of the environment loads this file when it starts (see `startup`): the public names
come from their modules when they are first asked for, and nothing is imported here.
"""

__version__ = "0.2.0"

TYPE_CHECKING = False
"""For type-checkers, which take it for true; `typing` would cost every start of Python."""

if TYPE_CHECKING:
    from resolution_eval.analysis.curve import curve
    from resolution_eval.analysis.record_comparison import compare
    from resolution_eval.collection import Collection
    from resolution_eval.data.cards.card_files import model_cards, task_cards
    from resolution_eval.diagnosis.examination import diagnose
    from resolution_eval.door import choose, load, rank, run
    from resolution_eval.entrance import attest
    from resolution_eval.ground.errors import ResolutionEvalError
    from resolution_eval.statistics.curves import Withheld

__all__ = [
    "Collection",
    "ResolutionEvalError",
    "Withheld",
    "attest",
    "choose",
    "compare",
    "curve",
    "diagnose",
    "load",
    "model_cards",
    "rank",
    "run",
    "task_cards",
]

MODULES = {
    "Collection": "collection",
    "ResolutionEvalError": "ground.errors",
    "Withheld": "statistics.curves",
    "attest": "entrance",
    "choose": "door",
    "compare": "analysis.record_comparison",
    "curve": "analysis.curve",
    "diagnose": "diagnosis.examination",
    "load": "door",
    "model_cards": "data.cards.card_files",
    "rank": "door",
    "run": "door",
    "task_cards": "data.cards.card_files",
}
"""Where each public name lives. None is also a module's or a
package's, which would hide it once it is imported."""


if not TYPE_CHECKING:  # with it in sight, a type-checker would let any name pass

    def __getattr__(name: str) -> object:
        """The public name, from its module."""
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names beside what is loaded already."""
    return sorted({*globals(), *__all__})
