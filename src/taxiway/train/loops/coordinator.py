"""A chief that hands the batches of an epoch to workers which train variables on parameter servers, each at its own
pace.

Every batch goes to whichever worker is free, once; a batch whose worker died goes to another one. Weights are changed
by additions, which the servers do not lose. Keras counts its optimizer's steps by reading and writing, which loses
about a quarter of them when workers do it at once; so the steps are counted here by an addition too, each step begins
with the optimizer's count set from it, and so does whatever follows the epoch.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from taxiway.errors import FailedPrecondition
from taxiway.train.loops.replicas import ReplicaLoop

__all__ = ["CoordinatorLoop", "check_optimizer"]

# Batches under way for each worker: one that computes, and some that hide the way there.
_AHEAD = 4


def check_optimizer(optimizer: Any) -> None:
    """Hold an optimizer to what is right when steps overlap.

    Raises:
        FailedPrecondition: it sums gradients over several steps, or scales the loss by how the last steps went.
    """
    if getattr(optimizer, "gradient_accumulation_steps", None):
        raise FailedPrecondition(
            "An optimizer that accumulates gradients over steps cannot be used with parameter servers: steps overlap.",
            hint="Leave gradient_accumulation_steps out, or --strategy multi-worker.",
        )
    if hasattr(optimizer, "inner_optimizer"):
        raise FailedPrecondition(
            f"{type(optimizer).__name__} cannot be used with parameter servers: steps overlap.",
            hint="mixed_bfloat16 instead of mixed_float16, or --strategy multi-worker.",
        )


class CoordinatorLoop(ReplicaLoop):
    """Trains a model that was built and compiled in the scope of a ParameterServerStrategy, and already restored.

    Args:
        model: the model.
        strategy: the strategy.
        workers: how many workers there are.

    Raises:
        FailedPrecondition: the optimizer keeps what steps that overlap would spoil.
    """

    def __init__(self, model: Any, strategy: Any, workers: int) -> None:
        import tensorflow as tf

        super().__init__(model, strategy)
        check_optimizer(model.optimizer)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        self._ahead = _AHEAD * workers
        with strategy.scope():
            self._steps = tf.Variable(int(model.optimizer.iterations.numpy()), dtype=tf.int64, trainable=False)

    def _pass(self, batches: Any, step: Any, callbacks: Any) -> dict[str, float]:
        self._built(batches)
        under_way: deque[Any] = deque()
        sums: list[Any] | None = None
        ended = 0

        def take() -> None:
            nonlocal sums, ended
            found = under_way.popleft().fetch()
            sums = found if sums is None else [before + one for before, one in zip(sums, found, strict=True)]
            if callbacks is not None:
                callbacks.on_train_batch_end(ended)
            ended += 1

        for number, batch in enumerate(batches):
            if callbacks is not None:
                callbacks.on_train_batch_begin(number)
            under_way.append(self._coordinator.schedule(step, args=(batch,)))
            if len(under_way) >= self._ahead:
                take()
        while under_way:
            take()
        self._coordinator.join()
        self._count()
        return self._logs(sums)

    def _count(self) -> None:
        iterations = self._model.optimizer.iterations
        iterations.assign(self._steps.numpy().astype(iterations.dtype))

    def _train_replica(self, batch: Any) -> tuple[list[Any], list[Any]]:
        import tensorflow as tf

        iterations = self._model.optimizer.iterations
        iterations.assign(tf.cast(self._steps.assign_add(1) - 1, iterations.dtype))
        return super()._train_replica(batch)
