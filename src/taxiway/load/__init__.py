"""Load for a server: prepared requests, asked again and again by the generator in Rust, and what came of it."""

from __future__ import annotations

from taxiway.load.api import bench
from taxiway.load.plan import Plan
from taxiway.load.report import Report
from taxiway.load.window import Failure, Window

__all__ = ["Failure", "Plan", "Report", "Window", "bench"]
