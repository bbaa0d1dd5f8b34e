"""What the rows that a version learnt from look like: bounded summaries, measured by NumPy, written with the version.

Whoever watches a version reads the profile and counts what requests bring into the same bins.
"""

from __future__ import annotations

from taxiway.profile.document import (
    Categories,
    Histogram,
    Numbers,
    Profile,
    Scores,
    Summary,
    Tensor,
    parse_profile,
    read_profile,
)
from taxiway.profile.figures import figures
from taxiway.profile.measure import MAX_ROWS, measure, row_limit, score_rows, thinned

__all__ = [
    "MAX_ROWS",
    "Categories",
    "Histogram",
    "Numbers",
    "Profile",
    "Scores",
    "Summary",
    "Tensor",
    "figures",
    "measure",
    "parse_profile",
    "read_profile",
    "row_limit",
    "score_rows",
    "thinned",
]
