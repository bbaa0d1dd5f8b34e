"""Where processes of other machines ask for trials and hand in what came of them: a Ray actor beside the database."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from taxiway.errors import TaxiwayError, error_of_kind
from taxiway.tune.attempt import Outcome
from taxiway.tune.claim import Claim, Ledger, Next
from taxiway.tune.description import Description
from taxiway.tune.trials import Trial
from taxiway.tune.work import PROGRESS, finish_trial

__all__ = ["Desk", "News", "Reply"]


class Reply(Enum):
    """What a trial does after an epoch that it told of."""

    GO_ON = "go on"
    STOP = "stop"
    LOST = "lost"  # another process goes on with it


@dataclass(frozen=True)
class News:
    """What has happened since the last look.

    Attributes:
        lines: for whoever watches.
        started: the processes that have asked for a trial so far.
    """

    lines: tuple[str, ...] = ()
    started: frozenset[str] = frozenset()


@dataclass
class _Held:
    claim: Claim
    alive: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class Desk:
    """A study's ledger for processes that do not see its database.

    A trial is marked as alive from when it is claimed until it is handed in, or its process is said to be lost: whoever
    watches the processes knows better than their clocks.

    Args:
        directory: the study's.
        until: no new trial after this moment of :func:`time.time`.
    """

    def __init__(self, directory: str, until: float | None = None) -> None:
        self._ledger = Ledger(Path(directory), until)
        self._held: dict[str, _Held] = {}
        self._lines: list[str] = []
        self._started: set[str] = set()

    def description(self) -> Description:
        """What was asked for."""
        return self._ledger.description

    def claim(self, name: str, ready: bool) -> Trial | Next:
        """A trial for the process ``name``; what it would do instead, or while it is not ``ready`` to train."""
        self._started.add(name)
        try:
            found = self._ledger.claim(name) if ready else self._ledger.look()
        except TaxiwayError:
            # The study has ended in an error, which stands in it.
            return Next.DONE
        if not isinstance(found, Claim):
            return found
        held = self._held[name] = _Held(found)
        held.alive.enter_context(self._ledger.alive(found))
        return found.trial

    def report(self, name: str, value: float, epoch: int) -> Reply:
        """Note down a value after an epoch of the trial that ``name`` trains."""
        import optuna

        held = self._held.get(name)
        if held is None:
            return Reply.LOST
        try:
            held.claim.handle.report(value, epoch)
        except optuna.exceptions.UpdateFinishedTrialError:
            return Reply.LOST
        return Reply.STOP if held.claim.handle.should_prune() else Reply.GO_ON

    def finish(self, name: str, outcome: Outcome) -> None:
        """Note down how the trial that ``name`` trains ended."""
        held = self._held.pop(name, None)
        if held is not None:
            held.alive.close()
            finish_trial(self._ledger, held.claim, outcome, self._say)

    def end(self, kind: str, message: str, hint: str | None) -> None:
        """End the study in an error that the next trial would meet too."""
        error = error_of_kind(kind, message)
        error.hint = hint
        self._ledger.end(error)

    def lost(self, name: str) -> None:
        """Have another process go on with the trial of one that is gone."""
        held = self._held.pop(name, None)
        if held is not None:
            held.alive.close()
        self._ledger.release(name)

    def news(self) -> News:
        """What has happened since the last call."""
        lines, self._lines = tuple(self._lines), []
        return News(lines, frozenset(self._started))

    def close(self) -> None:
        """Let go of the database."""
        for held in self._held.values():
            held.alive.close()
        self._ledger.close()

    def _say(self, line: str) -> None:
        self._lines.append(line.removeprefix(PROGRESS))
