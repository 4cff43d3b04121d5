"""Two workers share the machine: one thread each, set before torch is imported.

No test leaves its run behind: each begins as a new process would.
"""

import os
from collections.abc import Iterator

import pytest

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    from resolution_eval import plugin
    from resolution_eval.attestation import LEDGER, Ledger

    folders = list(plugin.FOLDERS)
    yield
    plugin.FOLDERS[:] = folders
    vars(LEDGER).update(vars(Ledger()))
