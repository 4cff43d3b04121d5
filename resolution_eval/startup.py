"""What Python runs of this package at every start: a look-out for lmms-eval, and nothing else.

`lmms-eval tasks list` loads no entry point, so `resolution_eval.pth` has Python call `watch` when
it starts. Every Python program of the environment pays for this module: it imports nothing that
Python has not loaded by then, and whatever fails in it fails in silence.
`RESOLUTION_EVAL_STARTUP=off` turns it off; our tasks then come with `--include_path`, or by
`resolution-eval run`.
"""

import os
import sys

HOST = "lmms_eval"
HOST_TASKS = "lmms_eval.tasks"
SWITCH = "RESOLUTION_EVAL_STARTUP"
"""Environment variable that turns the look-out off where it is `off`."""


class LookOut:
    """A finder that finds nothing, and calls the plugin when lmms-eval's tasks are looked for."""

    looks_out = True
    """Whether it is one of ours, which do not ask each other."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN205
        """The host's tasks, to be adjusted once executed; None for any other module.

        Before the host itself is imported, its command line is looked at: what is wrong in it is
        told now, not in a minute.
        """
        if fullname == HOST:
            _look_at_command_line()  # type: ignore[no-untyped-call]
        if fullname != HOST_TASKS:
            return None
        from resolution_eval.plugin import host_finder

        return host_finder().find_spec(fullname, path, target)


def _look_at_command_line():  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Ends the process with a sentence where lmms-eval is asked for something of ours that is not.

    Whatever else fails here is silent: the host must start without us.
    """
    try:
        from resolution_eval.preflight import refuse_command_line

        refuse_command_line(sys.argv)
    except Exception:  # noqa: BLE001
        return


def watch() -> None:
    """Look out for the host from now on, once."""
    if os.environ.get(SWITCH) != "off" and LookOut not in sys.meta_path:
        sys.meta_path.insert(0, LookOut)
