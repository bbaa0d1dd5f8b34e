"""Pruning while a Keras 3 model trains: a callback."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import numpy as np

from taxiway.edge.masks import Pattern, Schedule, magnitude_mask, parse_pattern, pattern_mask
from taxiway.errors import FailedPrecondition, InvalidArgument

__all__ = ["Pruning", "prunable", "sparsity_of"]

# Weights of layers that are small, or whose zeros a runtime cannot leave out.
_LEFT_ALONE = ("Embedding", "DepthwiseConv1D", "DepthwiseConv2D", "Normalization", "BatchNormalization")
_PART_THAT_PRUNES = 0.6


def prunable(model: Any, skip: Collection[str] = ()) -> dict[str, Any]:
    """The weights of a model that are pruned, by path: kernels of dense, convolutional, attention and recurrent layers.

    Raises:
        InvalidArgument: a layer of ``skip`` is not there.
    """
    layers = list(model._flatten_layers(include_self=False))
    if unknown := sorted(set(skip) - {layer.name for layer in layers}):
        raise InvalidArgument(
            f"The model has no layer {', '.join(unknown)}.", hint=f"It has {', '.join(one.name for one in layers)}."
        )
    found: dict[str, Any] = {}
    for layer in layers:
        kinds = {kind.__name__ for kind in type(layer).__mro__}
        if layer.name in skip or kinds & set(_LEFT_ALONE):
            continue
        for weight in getattr(layer, "_trainable_variables", []):
            if len(weight.shape) > 1:
                found[weight.path] = weight
    return found


def sparsity_of(weights: Mapping[str, Any]) -> dict[str, float]:
    """The part of each weight's numbers that is zero."""
    return {path: float(np.mean(np.asarray(one) == 0)) for path, one in weights.items()}


def Pruning(
    sparsity: float | None = None,
    *,
    pattern: str | None = None,
    begin_step: int = 0,
    end_step: int | None = None,
    every: int = 10,
    skip: Collection[str] = (),
) -> Any:
    """A ``keras.callbacks.Callback`` that prunes while a model trains, and keeps what is pruned at zero.

    From ``begin_step`` to ``end_step`` the weights closest to zero become zero, more and more of them by a cubic
    schedule; from then on the masks stay and the rest is fine-tuned. The masks are put on again after every batch, so
    what is saved at any time is as sparse as the step says.

    ::

        model.fit(x, y, epochs=4, callbacks=[taxiway.edge.Pruning(0.8)])

    Args:
        sparsity: the part of each kernel that is zero in the end, 0.8; a pattern has its own.
        pattern: ``2:4`` keeps two of every four weights along the inputs.
        begin_step: the first batch after which there is pruning.
        end_step: the batch from which the masks stay; when None, after 60 % of the batches of this training.
        every: how many batches pass between two masks.
        skip: names of layers that are left alone.

    Raises:
        InvalidArgument: a number or a name makes no sense.
        FailedPrecondition: Keras is not installed.
    """
    chosen = parse_pattern(pattern) if pattern is not None else None
    if (sparsity is None) == (chosen is None):
        raise InvalidArgument(
            "Say the sparsity or the pattern, one of them.", hint="Pruning(0.8), Pruning(pattern='2:4')"
        )
    if every < 1:
        raise InvalidArgument(f"There cannot be {every} batches between two masks.")
    part = chosen.sparsity if chosen is not None else float(sparsity or 0.0)
    Schedule(part, begin_step, begin_step if end_step is None else end_step)
    return _callback()(part, chosen, (begin_step, end_step), every, tuple(skip))


@cache
def _callback() -> Any:
    try:
        import keras
    except ImportError:
        raise FailedPrecondition("Keras is not installed.", hint="pip install 'taxiway[edge]'") from None

    class PruningCallback(keras.callbacks.Callback):  # type: ignore[misc]
        """See :func:`Pruning`."""

        def __init__(
            self, sparsity: float, pattern: Pattern | None, steps: tuple[int, int | None], every: int, skip: Any
        ) -> None:
            super().__init__()
            self._sparsity, self._pattern, self._steps = sparsity, pattern, steps
            self._every, self._skip = every, skip
            self._step = 0
            self._weights: dict[str, Any] = {}
            self._masks: dict[str, Any] = {}

        def on_train_begin(self, logs: Any = None) -> None:
            self._weights = prunable(self.model, self._skip)
            if not self._weights:
                raise InvalidArgument("The model has no kernel to prune.", hint="Fewer layers in skip.")
            begin, end = self._steps
            if end is None:
                batches = self.params.get("steps")
                if not batches:
                    raise InvalidArgument(
                        "How many batches there are is not known.",
                        hint="Pruning(…, end_step=…), or fit(steps_per_epoch=…)",
                    )
                end = begin + max(int(batches * self.params["epochs"] * _PART_THAT_PRUNES) - begin, 0)
            self._schedule = Schedule(self._sparsity, begin, end)
            self._step = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._step += 1
            schedule, step = self._schedule, self._step
            grows = schedule.begin <= step <= schedule.end and (step % self._every == 0 or step == schedule.end)
            if grows or (step > schedule.end and not self._masks):
                self._choose(schedule.at(step))
            for path, mask in self._masks.items():
                self._weights[path].assign(self._weights[path] * mask)

        def _choose(self, sparsity: float) -> None:
            for path, weight in self._weights.items():
                values = np.asarray(weight)
                if self._pattern is None:
                    self._masks[path] = magnitude_mask(values, sparsity)
                else:
                    self._masks[path] = pattern_mask(values, self._pattern, sparsity)

    return PruningCallback
