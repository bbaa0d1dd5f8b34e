"""Our own loop of public API: for several workers, where Keras 3 ``fit`` fails, and for central storage, where its
metrics are wrong.

The loss that Keras computes inside a strategy is divided by the number of replicas, and its optimizer adds the
gradients of all replicas; so a step is that of one process on the global batch. Metrics are kept as sums: each replica
says how its rows change a metric that is zero, and these changes add up, over replicas and over batches.

What layers change themselves while they train, such as BatchNorm's moving statistics, is held back in each replica and
given to every copy of the variable after the step: the mean over the replicas, as a mirrored strategy does it.
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
        self._changed: list[Any] = []
        self._train = tf.function(self._train_step)
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

    def _train_step(self, batch: Any) -> list[Any]:
        found, states = self._strategy.run(self._train_replica, (batch,))
        for variable, state in zip(self._changed, states, strict=True):
            variable.assign(self._agreed(variable, state))
        return [self._strategy.reduce("SUM", one, axis=None) for one in found]

    def _held_back(self) -> Any:
        """A scope that takes what layers assign and leaves their variables alone."""
        import keras
        import tensorflow as tf

        # In such a scope Keras looks for weights with a penalty among those that the scope holds, and nowhere else.
        weights = [one for one in self._model.trainable_variables if one.regularizer is not None]
        held = [(one, tf.convert_to_tensor(one.value)) for one in weights]
        return keras.StatelessScope(state_mapping=held, collect_losses=True)

    def _agreed(self, variable: Any, state: Any) -> Any:
        """One value of all replicas' ones. What does not float, such as a seed's counter, is the same on each."""
        import tensorflow as tf

        if tf.as_dtype(variable.dtype).is_floating:
            return self._strategy.reduce("MEAN", state, axis=None)
        return self._strategy.experimental_local_results(state)[0]

    def _train_replica(self, batch: Any) -> tuple[list[Any], list[Any]]:
        import keras
        import tensorflow as tf

        model = self._model
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape, self._held_back() as scope:
            answers = model(inputs, training=True)
            loss = model.compute_loss(x=inputs, y=labels, y_pred=answers, sample_weight=weights, training=True)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        states = [(one, scope.get_current_value(one)) for one in model.non_trainable_variables]
        changed = [(one, state) for one, state in states if state is not None]
        self._changed = [one for one, _ in changed]
        return self._sums(inputs, labels, answers, weights, loss), [state for _, state in changed]

    def _test_replica(self, batch: Any) -> list[Any]:
        import keras

        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        with self._held_back():
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
