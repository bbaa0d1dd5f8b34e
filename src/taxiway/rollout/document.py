"""A plan as the document that the journal keeps and the admin API takes: the keys and words of a plan's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taxiway.rollout.parse import parse_plan
from taxiway.rollout.plan import Guard, RolloutPlan

__all__ = ["as_kept", "plan_document", "read_document"]


def read_document(document: Mapping[str, Any]) -> RolloutPlan:
    """The plan that :func:`plan_document` wrote."""
    return parse_plan(as_kept(document), "the journal")


def as_kept(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A kept plan with what it left to defaults when it was kept: that all harm counts."""
    guards = [guard if "%" in guard else f"{guard},0%" for guard in document.get("guards", [])]
    return {**document, "guards": guards}


def plan_document(plan: RolloutPlan) -> dict[str, Any]:
    """The plan with nothing left to defaults, so that later defaults change no rollout under way.

    A budget is left out: it has become steps by then, or becomes them when the traffic was measured.
    """
    document: dict[str, Any] = {
        "model": plan.model,
        "to": plan.to,
        "steps": [_percent(share) for share in plan.steps],
        "guards": [_guard(guard) for guard in plan.guards],
        "shadow": _percent(plan.shadow),
        "step_duration": _duration(plan.step_seconds),
        "step_units": plan.step_units,
        "max_duration": _duration(plan.max_seconds),
        "undecided": plan.undecided.value,
        "rollback_window": _duration(plan.rollback_window_seconds),
        "harm_alpha": plan.harm_alpha,
        "safe_alpha": plan.safe_alpha,
        "measure": _duration(plan.measure_seconds),
        "key": plan.key,
        "max_crashes": plan.max_crashes,
    }
    if plan.goal is not None:
        document["goal"] = plan.goal.name if plan.goal.higher_is_better else f"{plan.goal.name}:lower"
    if plan.replay is not None:
        document["replay"] = plan.replay.document()
    if plan.at_most_affected is not None:
        del document["steps"]
        document["at_most_affected"] = plan.at_most_affected
    return document


def _guard(guard: Guard) -> str:
    margins = [] if guard.safe_ratio is None else [f"x{guard.safe_ratio:g}"]
    margins += [] if guard.safe_points is None else [f"{_percent(guard.safe_points):g}pt"]
    return f"{guard.name}={','.join([*margins, f'{_percent(guard.harm_margin):g}%'])}"


def _percent(share: float) -> float:
    return round(100 * share, 6)


def _duration(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
