"""Our own loop of public API: for several workers, where Keras 3 ``fit`` fails, and for central storage, where its
metrics are wrong.

The loss that Keras computes inside a strategy is divided by the number of replicas, and its optimizer adds the
gradients of all replicas; so a step is that of one process on the global batch. Metrics are kept as sums: each replica
says how its rows change a metric that is zero, and these changes add up, over replicas and over batches.
"""

from __future__ import annotations

from typing import Any

from taxiway.errors import FailedPrecondition

__all__ = ["ReplicaLoop", "compiled_metrics", "row_count"]


def compiled_metrics(model: Any) -> Any:
    """The one metric that holds every compiled one; None of a model without."""
    return next((one for one in model.metrics if one.name == "compile_metrics"), None)


def row_count(inputs: Any) -> Any:
    """How many rows a batch has, as a float tensor."""
    import tensorflow as tf

    return tf.cast(tf.shape(tf.nest.flatten(inputs)[0])[0], tf.float32)


class ReplicaLoop:
    """Trains a model that was built and compiled in the strategy's scope.

    Raises:
        FailedPrecondition: the model has a ``train_step`` of its own, which only ``fit`` would call.
    """

    def __init__(self, model: Any, strategy: Any) -> None:
        import keras
        import tensorflow as tf

        if type(model).train_step is not keras.Model.train_step:
            raise FailedPrecondition(
                f"{type(model).__name__} has a train_step of its own, which this strategy cannot call.",
                hint="Give the loss to compile() or override compute_loss(); or --strategy mirrored.",
            )
        self._model, self._strategy = model, strategy
        self._metrics: Any = None
        self._train = tf.function(lambda batch: self._reduced(self._train_replica, batch))
        self._test = tf.function(lambda batch: self._reduced(self._test_replica, batch))

    def train(self, batches: Any, callbacks: Any) -> dict[str, float]:
        """Steps over all replicas."""
        return self._pass(batches, self._train, callbacks)

    def evaluate(self, batches: Any) -> dict[str, float]:
        """Sums over all replicas, so that the last batch may be uneven."""
        return self._pass(batches, self._test, None)

    def _pass(self, batches: Any, step: Any, callbacks: Any) -> dict[str, float]:
        import tensorflow as tf

        self._built(batches)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        sums: list[Any] | None = None
        for number, batch in enumerate(self._strategy.experimental_distribute_dataset(batches.with_options(options))):
            if callbacks is not None:
                callbacks.on_train_batch_begin(number)
            found = step(batch)
            sums = found if sums is None else [before + one for before, one in zip(sums, found, strict=True)]
            if callbacks is not None:
                callbacks.on_train_batch_end(number)
        return self._logs(sums)

    def _logs(self, sums: list[Any] | None) -> dict[str, float]:
        if sums is None:
            return {}
        logs = {"loss": float(sums[0] / sums[1])}
        if self._metrics is not None:
            result = self._metrics.stateless_result(sums[2:])
            logs.update({name: float(value) for name, value in result.items()})
        return logs

    def _built(self, batches: Any) -> None:
        """Create the variables of the compiled metrics, which Keras does when it sees the first answers."""
        import keras
        import tensorflow as tf

        if self._metrics is not None or compiled_metrics(self._model) is None:
            return
        shaped = tf.nest.map_structure(lambda spec: tf.zeros([1, *spec.shape[1:]], spec.dtype), batches.element_spec)
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(shaped)
        metrics = compiled_metrics(self._model)
        with self._strategy.scope():
            metrics.build(
                labels,
                tf.nest.map_structure(
                    lambda one: tf.zeros([1, *one.shape[1:]], one.dtype), self._model.compute_output_spec(inputs)
                ),
            )
        self._metrics = metrics

    def _reduced(self, replica: Any, batch: Any) -> list[Any]:
        found = self._strategy.run(replica, (batch,))
        return [self._strategy.reduce("SUM", one, axis=None) for one in found]

    def _train_replica(self, batch: Any) -> list[Any]:
        import keras
        import tensorflow as tf

        model = self._model
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape:
            answers = model(inputs, training=True)
            loss = model.compute_loss(x=inputs, y=labels, y_pred=answers, sample_weight=weights, training=True)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return self._sums(inputs, labels, answers, weights, loss)

    def _test_replica(self, batch: Any) -> list[Any]:
        import keras

        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        answers = self._model(inputs, training=False)
        loss = self._model.compute_loss(x=inputs, y=labels, y_pred=answers, sample_weight=weights, training=False)
        return self._sums(inputs, labels, answers, weights, loss)

    def _sums(self, inputs: Any, labels: Any, answers: Any, weights: Any, loss: Any) -> list[Any]:
        """[loss × rows, rows, every metric's change]; Keras has divided the loss by the replicas."""
        import tensorflow as tf

        rows = row_count(inputs)
        whole = tf.cast(loss, tf.float32) * float(self._strategy.num_replicas_in_sync)
        # A replica without rows has no mean.
        sums = [tf.where(rows > 0, whole * rows, 0.0), rows]
        if self._metrics is None:
            return sums
        zeros = [tf.zeros(one.shape, one.dtype) for one in self._metrics.variables]
        return sums + list(self._metrics.stateless_update_state(zeros, labels, answers, sample_weight=weights))
