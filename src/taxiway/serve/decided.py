"""What was decided of each model: the journal's replay, and what this server has appended since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from taxiway.errors import Aborted, TaxiwayError
from taxiway.journal import Event, Journal, ModelState, apply, begin

__all__ = ["Decided", "Sharing"]

States = Mapping[str, ModelState]


class Sharing(Protocol):
    """Reads what other servers append to a journal that they share with this one. Any thread may call it."""

    def read(self) -> tuple[States, int] | None:
        """The state after all events, by model, and the last one's id; None while it cannot be read."""
        ...

    @property
    def since(self) -> float | None:
        """The monotonic seconds since when every reading went through; None when the last one did not."""
        ...


class Decided:
    """The models' states; the loop's thread owns them.

    Args:
        journal: replayed once.
        now: seconds since the epoch.

    Raises:
        Unavailable: the journal cannot be read.
    """

    def __init__(self, journal: Journal, now: float) -> None:
        self._journal = journal
        self.loaded: tuple[States, int] = begin(journal, now)
        self._states = dict(self.loaded[0])
        self._up_to = self.loaded[1]
        # The last event that this server appended, by model.
        self._own: dict[str, int] = {}
        self.problem = ""
        self.sharing: Sharing | None = None

    def of(self, model: str) -> ModelState:
        """What was decided of a model."""
        return self._states.get(model, ModelState())

    def has_rollout(self) -> bool:
        """Whether the journal knew of a rollout that is not over when this process began."""
        return any(state.rollout is not None and not state.rollout.over for state in self.loaded[0].values())

    def keep(self, event: Event, replaces: int) -> Event:
        """Append a change; see :meth:`taxiway.journal.Journal.append`.

        Raises:
            Aborted: of several servers, another was quicker. Nothing was kept.
            Unavailable: the journal cannot be written; ``problem`` says so until it can.
        """
        model = event.model
        known = max(self._up_to, self._own.get(model, 0)) if self.sharing is not None else None
        try:
            kept = self._journal.append(event, replaces, known)
        except Aborted:
            raise
        except TaxiwayError as error:
            self.problem = f"nothing can be changed: {error.message}"
            raise
        self.problem = ""
        self._states[model] = apply(self.of(model), kept)
        self._own[model] = kept.id
        return kept

    def take_over(self, states: States, up_to: int) -> None:
        """Make the journal's replay up to an event the state, but of models that this server changed later."""
        if up_to < self._up_to:
            return
        self._up_to = up_to
        self._states |= {name: state for name, state in states.items() if up_to >= self._own.get(name, 0)}
