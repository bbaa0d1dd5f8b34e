"""What a job's ``datasets`` returned → datasets of exactly the batches that every strategy trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from taxiway.errors import InvalidArgument
from taxiway.train.context import Context
from taxiway.train.job import Job, Telling

__all__ = ["Data", "Source"]

Dataset: TypeAlias = Any
"""A ``tf.data.Dataset``."""

_FINGERPRINT_BATCHES = 64
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Data:
    """The batches of one epoch.

    Attributes:
        training: batches of exactly ``global_batch`` rows, in the epoch's order.
        validation: batches in their own order, the last one smaller; None when the job has none.
        steps: how many training batches there are; None when only reading them tells.
    """

    training: Dataset
    validation: Dataset | None
    steps: int | None


class Source:
    """A job's data, epoch by epoch.

    Arrays are asked for once and put into the order of (seed, epoch) here. A ``tf.data.Dataset`` is asked for in each
    epoch, and is the job's to order.

    Args:
        job: whose data.
        context: of epoch 0.
    """

    def __init__(self, job: Job, context: Context) -> None:
        self._job = job
        self._context = context
        self._first = self._asked(context)
        self._epoch = 0

    def at(self, epoch: int) -> Data:
        """The batches of an epoch.

        Raises:
            InvalidArgument: the job returned what cannot be trained on.
        """
        context = replace(self._context, epoch=epoch)
        training, validation = self._first
        if not _is_arrays(training) and epoch != self._epoch:
            training, validation = self._first = self._asked(context)
            self._epoch = epoch
        batches = _ordered(training, context) if _is_arrays(training) else _whole(training, context)
        return Data(batches, None if validation is None else _in_order(validation, context), _steps(batches))

    def fingerprint(self) -> dict[str, Any]:
        """What tells this data from other data: ``sha256``, and ``of`` what it was taken.

        Arrays are read wholly. Of datasets, which may be larger than a disk, the first 64 batches of each.
        """
        if self._job.data_fingerprint is not None:
            with Telling(f"{self._job.name}: data_fingerprint raised", self._job.source):
                text = str(self._job.data_fingerprint(self._context.params))
            return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "of": "data_fingerprint()"}
        digest = hashlib.sha256()
        arrays = True
        for part in self._first:
            if part is None:
                continue
            arrays = arrays and _is_arrays(part)
            for piece in _pieces(part):
                digest.update(piece)
        of = "every row" if arrays else f"the first {_FINGERPRINT_BATCHES} batches"
        return {"sha256": digest.hexdigest(), "of": of}

    def sample(self, rows: int) -> Any:
        """The inputs of the first rows, of the validation data where there is some: an array, or arrays by name."""
        import numpy as np
        import tensorflow as tf

        training, validation = self._first
        part = training if validation is None else validation
        if _is_arrays(part):
            return tf.nest.map_structure(lambda one: np.asarray(one)[:rows], part[0])
        batch = next(iter(part))
        inputs = batch[0] if isinstance(batch, tuple) else batch
        return tf.nest.map_structure(lambda one: one.numpy()[:rows], inputs)

    def profile_rows(self) -> tuple[Any, Any, tuple[Any, Any] | None]:
        """Rows that say what the data looks like: of arrays spread over all of them, of datasets the first ones.

        Returns:
            Training inputs, their answers (None where they are neither an array nor arrays by name), and the same two
            of the validation data, where there is some; at most 20,000 rows and 256 MiB of each.
        """
        training, validation = self._first
        return *_some_rows(training), None if validation is None else _some_rows(validation)

    def _asked(self, context: Context) -> tuple[Any, Any]:
        with Telling(f"{self._job.name}: datasets raised", self._job.source):
            answer = self._job.datasets(context)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise InvalidArgument(
                f"{self._job.name}: datasets returned {_kind(answer)}, not (training, validation).",
                hint="Each is a tf.data.Dataset or arrays (x, y); validation may be None.",
            )
        for name, part in zip(("training", "validation"), answer, strict=True):
            if part is None and name == "validation":
                continue
            if not _is_arrays(part) and not _is_dataset(part):
                raise InvalidArgument(
                    f"{self._job.name}: the {name} data is {_kind(part)}.",
                    hint="It must be a tf.data.Dataset, or arrays (x, y) or (x, y, weights).",
                )
        return answer[0], answer[1]


def _kind(thing: Any) -> str:
    if isinstance(thing, tuple | list):
        return f"a {type(thing).__name__} of {len(thing)}"
    return "None" if thing is None else f"a {type(thing).__name__}"


def _is_dataset(part: Any) -> bool:
    return hasattr(part, "element_spec") and hasattr(part, "cardinality")


def _is_arrays(part: Any) -> bool:
    return isinstance(part, tuple | list) and 2 <= len(part) <= 3 and all(map(_is_rows, part))


def _is_rows(one: Any) -> bool:
    if isinstance(one, Mapping):
        return bool(one) and all(map(_is_rows, one.values()))
    return hasattr(one, "shape") and hasattr(one, "dtype") and len(one.shape) > 0


def _leaves(part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping):
        for name in sorted(part):
            yield from ((f"{name}/{inner}", leaf) for inner, leaf in _leaves(part[name]))
    elif isinstance(part, tuple | list):
        for number, one in enumerate(part):
            yield from ((f"{number}/{inner}", leaf) for inner, leaf in _leaves(one))
    else:
        yield "", part


def _rows(part: Any) -> int:
    counts = {name: int(leaf.shape[0]) for name, leaf in _leaves(part)}
    if len(set(counts.values())) != 1:
        raise InvalidArgument(f"The arrays of the data have different numbers of rows: {sorted(counts.values())}.")
    return next(iter(counts.values()))


def _some_rows(part: Any) -> tuple[Any, Any]:
    import numpy as np
    import tensorflow as tf

    from taxiway.profile import row_limit, thinned

    if _is_arrays(part):
        rows = _rows(part)
        whole = tf.nest.map_structure(np.asarray, tuple(part)[:2])
        taken = thinned(rows, row_limit(sum(leaf.nbytes for _, leaf in _leaves(whole)) / max(rows, 1)))
        return whole[0] if len(taken) == rows else _at(whole[0], taken), _plain(_at(whole[1], taken))
    batches: list[Any] = []
    rows = limit = 0
    for batch in part:
        pair = tuple(batch[:2]) if isinstance(batch, tuple | list) else (batch,)
        pair = pair if len(pair) == 2 else (*pair, None)
        batches.append(tf.nest.map_structure(lambda one: None if one is None else one.numpy(), pair))
        first = [leaf for _, leaf in _leaves(batches[-1]) if leaf is not None]
        rows += len(first[0])
        limit = limit or row_limit(sum(leaf.nbytes for leaf in first) / max(len(first[0]), 1))
        if rows >= limit:
            break
    joined = tf.nest.map_structure(lambda *ones: None if ones[0] is None else np.concatenate(ones)[:limit], *batches)
    return joined[0], _plain(joined[1])


def _at(structure: Any, taken: Any) -> Any:
    import tensorflow as tf

    return tf.nest.map_structure(lambda one: one[taken], structure)


def _plain(answers: Any) -> Any:
    """Answers that have names at most, or None."""
    plain = hasattr(answers, "dtype") or (
        isinstance(answers, Mapping) and all(hasattr(one, "dtype") for one in answers.values())
    )
    return answers if plain else None


def _ordered(arrays: Any, context: Context) -> Dataset:
    """Arrays as the batches of an epoch. Rows left over after the last whole batch wait for another epoch."""
    import numpy as np
    import tensorflow as tf

    rows = _rows(arrays)
    batches = rows // context.global_batch
    if batches == 0:
        raise InvalidArgument(
            f"The training data has {rows} rows; a batch has {context.global_batch}.", hint="A smaller --global-batch."
        )
    order = context.order(rows)[: batches * context.global_batch]
    taken = tf.nest.map_structure(lambda one: np.asarray(one)[order], tuple(arrays))
    return tf.data.Dataset.from_tensor_slices(taken).batch(context.global_batch, drop_remainder=True).prefetch(2)


def _whole(dataset: Dataset, context: Context) -> Dataset:
    """A job's dataset, held to whole batches and an end."""
    import tensorflow as tf

    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise InvalidArgument(
            "The training data never ends.", hint="An epoch is what datasets(context) gives for it: .take(steps)"
        )
    wrong = {spec.shape[0] if spec.shape.rank else None for spec in tf.nest.flatten(dataset.element_spec)}
    if wrong != {context.global_batch}:
        found = ", ".join("any number of" if one is None else str(one) for one in sorted(wrong, key=str))
        raise InvalidArgument(
            f"The training batches have {found} rows, not {context.global_batch}.",
            hint="dataset.batch(context.global_batch, drop_remainder=True)",
        )
    return dataset


def _in_order(part: Any, context: Context) -> Dataset:
    import numpy as np
    import tensorflow as tf

    if not _is_arrays(part):
        return part
    _rows(part)
    taken = tf.nest.map_structure(np.asarray, tuple(part))
    return tf.data.Dataset.from_tensor_slices(taken).batch(context.global_batch).prefetch(2)


def _steps(dataset: Dataset) -> int | None:
    count = int(dataset.cardinality())
    return count if count >= 0 else None


def _pieces(part: Any) -> Iterator[bytes]:
    """Names, types, shapes and bytes, in an order of their own."""
    import numpy as np

    if _is_arrays(part):
        for name, leaf in _leaves(part):
            array = np.ascontiguousarray(leaf)
            yield f"{name}:{array.dtype}:{array.shape};".encode()
            if array.dtype.hasobject:
                yield repr(array.tolist()).encode()
                continue
            data = array.reshape(-1).view(np.uint8)
            yield from (data[at : at + _BLOCK_BYTES].tobytes() for at in range(0, data.size, _BLOCK_BYTES))
        return
    yield f"{part.element_spec}:{int(part.cardinality())};".encode()
    for batch in part.take(_FINGERPRINT_BATCHES):
        for name, leaf in _leaves(batch):
            array = np.ascontiguousarray(leaf.numpy())
            yield name.encode()
            yield repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
