"""Layer groups on devices, by a table in the job: ``placement = {"encoder*": "CPU:0", "head*": "CPU:1"}``.

A layer's variables, its optimizer slots, its forward and its backward pass are on the device of the first pattern that
its name matches. What no pattern matches is TensorFlow's to place. The table is for training: what is exported is the
model without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.train.job import Job, Telling

__all__ = ["Table", "device_of", "placed", "placed_strategy", "table_of"]

Table: TypeAlias = Mapping[str, str]
"""A pattern of layers' names to a device, as ``CPU:1``; the first pattern that matches counts."""

_GRADIENT = "gradient_tape/"
_SHOWN_NAMES = 20


def table_of(job: Job, params: Mapping[str, Any]) -> Table:
    """The job's table; empty without one.

    Raises:
        InvalidArgument: it is no table of texts.
    """
    with Telling(f"{job.name}: placement raised", job.source):
        table = job.placement(params) if callable(job.placement) else job.placement
    if table is None:
        return {}
    if not isinstance(table, Mapping) or not all(isinstance(one, str) for pair in table.items() for one in pair):
        raise InvalidArgument(
            f"{job.name}: placement is {table!r}, not a table of layer names and devices.",
            hint='{"encoder*": "CPU:0", "head*": "CPU:1"}',
        )
    return {pattern: device.upper().removeprefix("/").removeprefix("DEVICE:") for pattern, device in table.items()}


def device_of(table: Table, layer: str) -> str | None:
    """The device of a layer of that name."""
    return next((device for pattern, device in table.items() if fnmatchcase(layer, pattern)), None)


def placed_strategy(name: str, table: Table) -> Any:
    """The strategy under which a placed model trains: TensorFlow's default one, which moves no variable.

    Args:
        name: the strategy that was asked for.
        table: of the job.

    Raises:
        InvalidArgument: a strategy that gives each device the whole model.
        NotFound: a device that is not there.
    """
    import tensorflow as tf

    if name != "one-device":
        raise InvalidArgument(
            f"{name} gives each device the whole model; this job has a placement of its layers.",
            hint="--strategy one-device, or a job without placement.",
        )
    logical = [f"{one.device_type}:{one.name.rpartition(':')[2]}" for one in tf.config.list_logical_devices()]
    for pattern, device in table.items():
        if device not in logical:
            raise NotFound(
                f"The placement puts {pattern} on {device}, which is not there.",
                hint=f"There is {', '.join(logical)}; --set logical_cpus=2 divides the CPU.",
            )
    return tf.distribute.get_strategy()


def placed(table: Table, make: Callable[[], Any]) -> Any:
    """A model whose layers, variables and optimizer are where the table says.

    Args:
        table: of the job.
        make: builds and compiles the model.

    Raises:
        InvalidArgument: a pattern that no layer's name matches.
        FailedPrecondition: an optimizer that keeps its slots elsewhere.
    """
    import tensorflow as tf

    first = tf.zeros([]).device
    # Built in the computer's memory: the whole model may be more than one device holds.
    with tf.device("CPU:0"):
        model = make()
    _check_matches(table, [layer.name for layer in model._flatten_layers(include_self=False)])
    scopes: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()
    _move(model.variables, first)
    # Once each: a Sequential's layers are also those of a model in it.
    for layer, device in {id(layer): (layer, device) for layer, device in _layers_on(model, table)}.values():
        _move(layer.variables, device)
        layer.call = _on_device(layer.call, device, scopes)
    _build_slots(model)
    # XLA compiles a step for one device.
    model.jit_compile = False
    model.train_step = _with_gradients_placed(model.train_step, scopes)
    return model


def _layers_on(model: Any, table: Table) -> Iterator[tuple[Any, str]]:
    """(layer, device) of each layer that the table names, a layer before the layers in it."""
    for layer in model._flatten_layers(include_self=False, recursive=False):
        device = device_of(table, layer.name)
        if device is not None:
            yield layer, device
        yield from _layers_on(layer, table)


def _move(variables: Sequence[Any], device: str) -> None:
    """Make Keras variables' memory anew on a device. Layers may have been built before anyone could say where."""
    import tensorflow as tf

    for one in variables:
        value = one.numpy()
        with tf.device(device):
            one._initialize(tf.constant(value))


def _check_matches(table: Table, names: Sequence[str]) -> None:
    unmatched = [one for one in table if not any(fnmatchcase(name, one) for name in names)]
    if unmatched:
        shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
        raise InvalidArgument(
            f"No layer's name matches {', '.join(unmatched)} of the placement.", hint=f"The layers are {shown}."
        )


def _on_device(
    call: Callable[..., Any], device: str, scopes: WeakKeyDictionary[Any, dict[str, str]]
) -> Callable[..., Any]:
    """A layer's call on a device; the scope of its operations is noted, since their gradients are named after it."""
    import tensorflow as tf

    def on_device(*arguments: Any, **options: Any) -> Any:
        if not tf.executing_eagerly():
            graph = tf.compat.v1.get_default_graph()
            scopes.setdefault(graph, {})[graph.get_name_scope()] = device
        with tf.device(device):
            return call(*arguments, **options)

    return on_device


def _with_gradients_placed(
    step: Callable[..., Any], scopes: WeakKeyDictionary[Any, dict[str, str]]
) -> Callable[..., Any]:
    """A step whose gradients are computed where the layer is.

    A tape computes gradients outside of any layer's call, where no device is set: all of them would be on the first.
    """
    import tensorflow as tf

    def device(operation: Any) -> str:
        if operation.device:
            return str(operation.device)
        scope = operation.name.partition(_GRADIENT)[2]
        known = scopes.get(operation.graph, {})
        while scope and scope not in known:
            scope = scope.rpartition("/")[0]
        return f"/device:{known[scope]}" if scope else ""

    def placed_step(*arguments: Any, **options: Any) -> Any:
        if tf.executing_eagerly():
            return step(*arguments, **options)
        with tf.compat.v1.device(device):
            return step(*arguments, **options)

    return placed_step


def _build_slots(model: Any) -> None:
    """Make the optimizer's variables, each beside the weight that it is for.

    Raises:
        FailedPrecondition: an optimizer puts one elsewhere.
    """
    import tensorflow as tf

    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    make = optimizer.add_variable_from_reference

    def beside(reference_variable: Any, *arguments: Any, **options: Any) -> Any:
        device = reference_variable.value.device
        with tf.device(device):
            slot = make(reference_variable, *arguments, **options)
        if slot.value.device != device:
            raise FailedPrecondition(
                f"{type(optimizer).__name__} keeps {slot.path} on {slot.value.device}, its weight is on {device}.",
                hint="Another optimizer, or a job without placement.",
            )
        return slot

    optimizer.add_variable_from_reference = beside
    model.optimizer.build(model.trainable_variables)
    del optimizer.add_variable_from_reference
