"""Keras' own ``fit`` and ``evaluate``, an epoch at a time: for one device, mirrored and TPU."""

from __future__ import annotations

from typing import Any

__all__ = ["FitLoop"]


class FitLoop:
    """Trains by ``fit``."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def train(self, batches: Any, callbacks: Any) -> dict[str, float]:
        """One epoch of ``fit``."""
        told = _batches_only(callbacks)
        stopping = self._model.stop_training
        history = self._model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[told]).history
        self._model.stop_training = self._model.stop_training or stopping
        return {name: float(values[-1]) for name, values in history.items()}

    def evaluate(self, batches: Any) -> dict[str, float]:
        """``evaluate``."""
        return {
            name: float(value) for name, value in self._model.evaluate(batches, verbose=0, return_dict=True).items()
        }


def _batches_only(callbacks: Any) -> Any:
    """What passes batches on. The training and its epochs begin and end once, not once in each ``fit``."""
    import keras

    class Batches(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            callbacks.on_train_batch_begin(batch, logs)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            callbacks.on_train_batch_end(batch, logs)

    return Batches()
