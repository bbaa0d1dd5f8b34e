"""Several runs side by side: every fact of each under one name, so that what differs can be told from what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taxiway.train.history import metrics_of
from taxiway.train.runs import Run

__all__ = ["compared", "facts"]

# What is another in every run, and explains nothing.
_PASSING = ("id", "directory", "started_at", "finished_at", "resumed_at", "host")


def compared(runs: Sequence[Run], everything: bool = False) -> dict[str, list[Any]]:
    """The facts of several runs by name, one value a run; None where a run has none.

    Args:
        runs: which.
        everything: also the facts that are the same in all of them.
    """
    each = [facts(run) for run in runs]
    names = dict.fromkeys(name for one in each for name in one)
    rows = {name: [one.get(name) for one in each] for name in names}
    return {name: row for name, row in rows.items() if everything or any(value != row[0] for value in row)}


def facts(run: Run) -> dict[str, Any]:
    """What is known of a run: what was asked, what it ran on, what came of it; one level of names."""
    asked, record, best = run.request, run.record, run.best or {}
    found = {
        "status": run.status, "job": asked.job, **_under("param", asked.params),
        "strategy": record.get("strategy", asked.strategy), "replicas": record.get("replicas"),
        "workers": asked.workers, "parameter servers": asked.parameter_servers, "devices": ",".join(asked.devices),
        "global batch": asked.global_batch, "seed": asked.seed, **_under("runtime", asked.runtime),
        "epochs": len(run.history), "seconds": round(run.seconds, 3), "best epoch": best.get("epoch"),
        **_under("best", metrics_of(best)), **_under("last", run.metrics),
        **_under("code", record.get("code", {})), **_under("data", record.get("data", {})),
        **_under("environment", record.get("environment", {})),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value not in (None, "")}


def _under(prefix: str, document: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if name not in _PASSING:
            flat.update(_under(prefix, value) if isinstance(value, Mapping) else {f"{prefix} {name}": value})
    return flat
