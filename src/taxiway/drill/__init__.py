"""Rehearsals: a version that goes wrong on purpose, rolled out where no user is, to see how soon it is noticed."""

from __future__ import annotations

from taxiway.drill.api import Drill, drill
from taxiway.drill.faults import Faults, parse_faults

__all__ = ["Drill", "Faults", "drill", "parse_faults"]
