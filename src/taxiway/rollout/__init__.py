"""Rollouts: a plan, its states, what the evidence says, what to do next. All of it decides; none of it acts."""

from __future__ import annotations
