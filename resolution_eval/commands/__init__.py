"""Commands of `resolution-eval`, one module each.

In each `arguments(parser)` says what the command takes, and `run(known)` does it; its exit status,
None for 0. Their modules import only the standard library at the top: `--help` answers at once, and
each command imports what it needs when it runs.
"""

COMMANDS = {
    "score": "score a checkpoint on images, and say what came of it",
    "run": "run lmms-eval with a sweep of your own",
    "sweep": "run many models on many tasks, here or on a cluster",
    "datasets": "list the data sets, or show one",
    "models": "list checkpoints and their training resolution",
    "report": "print and draw lmms-eval's results",
    "demo": "sweep the embedded checkpoints over phantoms",
    "convert": "write LLaVA's own form of a checkpoint in that of transformers",
    "train": "train a checkpoint further, or a small one from scratch",
    "record": "make records from lmms-eval's results",
    "doctor": "check the installation, or a sweep's grids without weights",
    "compare": "compare two records, sample by sample",
    "rank": "models by their mean over tasks, with intervals",
    "power": "the drop that samples can show, or the samples for a drop",
    "metrics": "figures of accuracy-resolution curves",
    "matrix": "score checkpoints by training strategy at every resolution",
    "gaps": "gaps of a train x inference table",
    "leaderboard": "check submissions, and make the board",
    "completion": "print what makes a shell complete this command",
}
"""Name of each command, which is its module's, and its line of help, in the order of `--help`."""
PASSING_ON = ("run",)
"""Commands that hand the arguments they do not know to lmms-eval, as `known.rest`."""
