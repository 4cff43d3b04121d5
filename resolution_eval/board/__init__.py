"""The leaderboard: submissions checked against their own samples, and rows made from them."""

from resolution_eval.board.board_schema import (
    STATUSES,
    BoardRow,
    Curve,
    Estimate,
    Point,
    Refusal,
    Repeat,
)
from resolution_eval.board.published_rows import PublishedRow, read_published
from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.submission import Claim, Facts, Submission, read_submission, submissions

__all__ = [
    "STATUSES",
    "Board",
    "BoardRow",
    "Claim",
    "Curve",
    "Estimate",
    "Facts",
    "Point",
    "PublishedRow",
    "Refusal",
    "Repeat",
    "Submission",
    "load_board",
    "read_published",
    "read_submission",
    "submissions",
]
