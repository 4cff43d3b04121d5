"""Coverage of every interval and error of every test, by simulation with a known truth.

    python -m benchmarks.coverage                    every study, and docs/coverage.md from them
    python -m benchmarks.coverage --study sweeps     one study anew, the page from all that are kept
    python -m benchmarks.coverage --page             the page alone

Results are kept in benchmarks/coverage/results/, one JSON file per study.
"""
