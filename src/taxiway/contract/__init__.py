"""Contracts of artefacts: how alike answers must be, whether they are, and the report that says so. Pure, but pictures.

Whoever makes an artefact asks the original and the artefact the same rows, compares and judges; one that does not hold
is refused with a sentence and never written.
"""

from __future__ import annotations

from taxiway.contract.agreement import Agreement, Outputs, compare
from taxiway.contract.bound import lower_bound, rows_needed
from taxiway.contract.judge import Contract, Judgement, judge, parse_contract, too_few_rows
from taxiway.contract.noise import noise_floor, nudged, tolerance
from taxiway.contract.picture import PICTURE_FILE, picture
from taxiway.contract.recommend import Limit, Recommendation, parse_limits, recommend
from taxiway.contract.report import COLUMNS, REPORT_FILE, Report, Variant, parse_report

__all__ = [
    "COLUMNS",
    "PICTURE_FILE",
    "REPORT_FILE",
    "Agreement",
    "Contract",
    "Judgement",
    "Limit",
    "Outputs",
    "Recommendation",
    "Report",
    "Variant",
    "compare",
    "judge",
    "lower_bound",
    "noise_floor",
    "nudged",
    "parse_contract",
    "parse_limits",
    "parse_report",
    "picture",
    "recommend",
    "rows_needed",
    "tolerance",
    "too_few_rows",
]
