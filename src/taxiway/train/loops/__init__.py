"""How an epoch is trained and data is measured: one way for each kind of strategy, all with the same results."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Loop"]


class Loop(Protocol):
    """Trains and measures a compiled Keras model."""

    def train(self, batches: Any, callbacks: Any) -> dict[str, float]:
        """One pass over the batches of an epoch; ``callbacks`` is told of each batch. The means over the epoch."""
        ...

    def evaluate(self, batches: Any) -> dict[str, float]:
        """Loss and metrics over every row."""
        ...
