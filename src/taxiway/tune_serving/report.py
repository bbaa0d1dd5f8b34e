"""What a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taxiway.tune_serving.candidate import Candidate
from taxiway.tune_serving.search import Choice, Target, Trial

__all__ = ["TunedServing"]


@dataclass(frozen=True)
class TunedServing:
    """Trials, and the best of them.

    Attributes:
        model: its name.
        version: which version was tried.
        target: the latency that was allowed.
        requests: what was sent, for people.
        trials: in the order in which they were begun.
        choice: the best one, and why.
        notes: what a reader should know of the figures.
        written: the file that has the settings; None when none has.
        interrupted: whether the user ended it early.
        model_settings: what ``[models.NAME]`` says for the best one; empty when there is none.
    """

    model: str
    version: int
    target: Target
    requests: str
    trials: tuple[Trial, ...]
    choice: Choice
    notes: tuple[str, ...] = ()
    written: str | None = None
    interrupted: bool = False
    model_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Candidate | None:
        """The settings to use; None when nothing is within the target."""
        return self.choice.best.candidate if self.choice.best is not None else None

    @property
    def gain(self) -> float | None:
        """Throughput of the best ÷ that of the first trial, the plain settings; None when one of them has none."""
        first = self.trials[0].score(self.target) if self.trials else 0.0
        best = self.choice.best
        return best.score(self.target) / first if best is not None and first > 0 else None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        best = self.choice.best
        return {
            "model": self.model,
            "version": self.version,
            "latency_ms": self.target.milliseconds,
            "percentile": self.target.percent,
            "requests": self.requests,
            "best": best.as_json(self.target) if best is not None else None,
            "because": self.choice.because,
            "noise": self.choice.noise,
            "as_good": [one.candidate.as_json() for one in self.choice.equals],
            "gain": self.gain,
            "trials": [one.as_json(self.target) for one in self.trials],
            "notes": list(self.notes),
            "written": self.written,
            "interrupted": self.interrupted,
        }
