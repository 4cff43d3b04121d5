"""`python -m resolution_eval`, for launchers such as `accelerate launch -m`."""

from resolution_eval.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
