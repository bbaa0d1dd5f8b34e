"""A LiteRT file, asked by the names of its inputs and outputs. Needs ``ai-edge-litert`` and no TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts.buckets import Chunk, buckets_of, chunks, filled
from taxiway.edge.metadata import described
from taxiway.edge.whole_numbers import Scale, scales_of
from taxiway.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from taxiway.wire.dtypes import DTYPES
from taxiway.wire.inputs import Inputs, named_arrays
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature, TensorSpec, shape_text
from taxiway.wire.tensors import Array

__all__ = ["Interpreter", "load"]

_BATCH_ROWS = 64
_IDENTIFIER = b"TFL3"


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Interpreter:
    """Open a LiteRT file; see :class:`Interpreter`."""
    return Interpreter(path, threads=threads)


class Interpreter:
    """A ``.tflite`` file that is asked by names.

    A file without signatures, as others publish them, has one called ``serving_default``, of the names of the graph's
    own inputs and outputs. Where a file has a signature for fixed numbers of rows too (``serving_default_4`` beside
    ``serving_default``, see :func:`taxiway.edge.build`), rows go to the smallest that holds them; what is missing is
    filled, and its answers cut. One interpreter belongs to one thread; a file that keeps a state keeps it from call to
    call.

    Where a tensor is of whole numbers that stand for others (as of the variant ``int8-io``), what is asked and answered
    are the numbers that they stand for; ``signatures`` says what is in the file.

    Args:
        path: the file.
        threads: that one call may use.

    Raises:
        NotFound: there is no such file.
        DataLoss: it is no LiteRT file, or not a whole one.
        FailedPrecondition: the runtime is not installed, or does not run such files: they hold operations that it
            does not know.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        self._path = str(path)
        try:
            from ai_edge_litert.interpreter import Interpreter as Runtime
        except ImportError:
            raise FailedPrecondition(
                "ai-edge-litert is not installed, which runs LiteRT files.", hint="pip install 'taxiway[edge]'"
            ) from None
        content = _read(Path(path))
        try:
            self._runtime: Any = Runtime(model_content=content, num_threads=threads)
            keys = list(self._runtime.get_signature_list())
            self._runners = {key: self._runtime.get_signature_runner(key) for key in keys}
            if not keys:
                self._runtime.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refused(self._path, error) from None
        details = {key: _details(runner) for key, runner in self._runners.items()}
        details = details or {DEFAULT_SIGNATURE: _details_of_graph(self._runtime)}
        self._signatures = {key: Signature(_specs(takes), _specs(gives)) for key, (takes, gives) in details.items()}
        self._scales = {key: (scales_of(takes), scales_of(gives)) for key, (takes, gives) in details.items()}
        self._told = _described(content)

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """What can be asked, by name."""
        return self._signatures

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """By output that has scores, the names of its classes, where ``taxiway edge build`` was told them."""
        found: Mapping[str, Sequence[str]] = self._told.get("classes", {})
        return found

    @property
    def borders(self) -> Mapping[str, float]:
        """By output that answers a logit of two classes, above what it is the second; any other is so above 0.5."""
        found: Mapping[str, float] = self._told.get("borders", {})
        return found

    def run(self, inputs: Inputs, signature: str | None = None, *, raw: bool = False) -> dict[str, Array]:
        """Ask the file.

        Args:
            inputs: arrays by input name, or one array when there is one input; as for ``Client.predict``, numbers are
                converted where no value is lost. Rows beyond what the file takes at once are asked one batch after
                another.
            signature: which; ``serving_default``, or the only one, when None.
            raw: take and give whole numbers as they are in the file.

        Returns:
            An array for each output.

        Raises:
            NotFound: there is no such signature.
            InvalidArgument: a name, a type or a shape does not fit, or there are no rows.
            FailedPrecondition: the runtime refuses to run it.
        """
        name = self._chosen(signature)
        spec = self._signatures[name]
        takes, gives = ({}, {}) if raw else self._scales[name]
        given = named_arrays(inputs, _in_numbers(spec, takes))
        given = {key: takes[key].whole(one) if key in takes else one for key, one in given.items()}
        if missing := sorted(set(spec.inputs) - set(given)):
            raise InvalidArgument(f"The input {', '.join(map(repr, missing))} is missing.", hint=_takes(spec))
        cut = self._cut(name, _rows(given, spec))
        try:
            parts = [self._part(name, given, one) for name, one in cut]
        except (ValueError, RuntimeError) as error:
            text = " ".join(str(error).split())[:300]
            raise FailedPrecondition(f"{self._path} does not run these inputs: {text}", hint=_takes(spec)) from None
        joined = parts[0]
        if len(parts) > 1:
            joined = {key: np.concatenate([np.atleast_1d(part[key]) for part in parts]) for key in joined}
        return {key: gives[key].numbers(one) if key in gives else one for key, one in joined.items()}

    def _cut(self, name: str, rows: int | None) -> list[tuple[str, Chunk | None]]:
        """Which signature is asked which rows; None for inputs without."""
        if rows is None:
            return [(name, None)]
        buckets, size = buckets_of(name, self._signatures), _fixed(self._signatures[name])
        if buckets:
            named = {**buckets, **({size: name} if size is not None else {})}
            return [(named[one.size], one) for one in chunks(rows, named)]
        if size is not None and rows % size:
            raise InvalidArgument(
                f"The file takes {size} rows at a time, and there are {rows}.", hint="Cut or fill them."
            )
        step = size or _BATCH_ROWS
        ends = [(at, min(at + step, rows)) for at in range(0, rows, step)]
        return [(name, Chunk(start, stop, stop - start)) for start, stop in ends]

    def _part(self, name: str, given: Mapping[str, Array], rows: Chunk | None) -> dict[str, Array]:
        if rows is None:
            return self._once(name, given)
        count = rows.stop - rows.start
        part = {key: one[rows.start : rows.stop] if one.ndim else one for key, one in given.items()}
        if count == rows.size:
            return self._once(name, part)
        return {key: one[:count] for key, one in self._once(name, filled(part, rows.size)).items()}

    def _chosen(self, signature: str | None) -> str:
        if signature is None:
            names = list(self._signatures)
            signature = names[0] if len(names) == 1 else DEFAULT_SIGNATURE
        if signature not in self._signatures:
            known = ", ".join(self._signatures)
            raise NotFound(f"{self._path} has no signature {signature!r}.", hint=f"It has {known}.")
        return signature

    def _once(self, name: str, given: Mapping[str, Array]) -> dict[str, Array]:
        if name in self._runners:
            # Copies: the runner hands out views of memory that the next run overwrites.
            return {key: np.array(one) for key, one in self._runners[name](**given).items()}
        runtime = self._runtime
        for one in runtime.get_input_details():
            runtime.resize_tensor_input(one["index"], given[one["name"]].shape)
        runtime.allocate_tensors()
        for one in runtime.get_input_details():
            runtime.set_tensor(one["index"], given[one["name"]])
        runtime.invoke()
        return {one["name"]: runtime.get_tensor(one["index"]) for one in runtime.get_output_details()}


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}.") from None
    if content[4:8] != _IDENTIFIER:
        raise DataLoss(f"{path} is no LiteRT file.", hint="taxiway edge build makes some.")
    return content


def says_not_whole(text: str) -> bool:
    """Whether the runtime's own words for an error mean that the file is none, or not a whole one."""
    return "flatbuffer" in text.lower() or "identifier" in text


def _refused(path: str, error: Exception) -> Exception:
    text = " ".join(str(error).split())
    if says_not_whole(text):
        return DataLoss(f"{path} is not a whole LiteRT file.", hint="Fetch or build it again.")
    return FailedPrecondition(
        f"The runtime does not run {path}: {text[:300]}", hint="It may need operations that this LiteRT does not have."
    )


def _details(runner: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return runner.get_input_details(), runner.get_output_details()


def _details_of_graph(runtime: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    takes, gives = runtime.get_input_details(), runtime.get_output_details()
    return {one["name"]: one for one in takes}, {one["name"]: one for one in gives}


def _described(content: bytes) -> Mapping[str, Any]:
    """What the file says of itself; nothing where that cannot be read, as it runs all the same."""
    try:
        return described(content)
    except (DataLoss, ImportError):
        return {}


def _in_numbers(spec: Signature, scales: Mapping[str, Scale]) -> Signature:
    """The signature as it is asked: for floats where whole numbers stand for them."""
    number = next(row.number for row in DTYPES if row.name == "float32")
    inputs = {key: replace(one, number=number) if key in scales else one for key, one in spec.inputs.items()}
    return replace(spec, inputs=inputs)


def _specs(details: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {name: _spec(one) for name, one in sorted(details.items())}


def _spec(details: Mapping[str, Any]) -> TensorSpec:
    dtype = np.dtype(details["dtype"])
    name = "string" if dtype.kind in "OSU" else dtype.name
    number = next((row.number for row in DTYPES if row.name == name), 0)
    sizes = details["shape_signature"] if len(details.get("shape_signature", ())) else details["shape"]
    return TensorSpec(number, tuple(None if size < 0 else int(size) for size in sizes), details["name"])


def _takes(spec: Signature) -> str:
    return "It takes " + ", ".join(f"{n}: {one.dtype_name} {shape_text(one.shape)}" for n, one in spec.inputs.items())


def _fixed(spec: Signature) -> int | None:
    """The number of rows that a signature takes, where it is always the same."""
    return next((shape[0] for one in spec.inputs.values() if (shape := one.shape)), None)


def _rows(given: Mapping[str, Array], spec: Signature) -> int | None:
    """How many rows there are, checked against what the file takes; None where no input has any."""
    shapes = {name: spec.inputs[name].shape or () for name in given}
    for name, array in given.items():
        shape = shapes[name]
        fits = all(want in (None, have) for want, have in zip(shape[1:], array.shape[1:], strict=False))
        if array.ndim != len(shape) or not fits:
            raise InvalidArgument(
                f"The input {name!r} has the shape {list(array.shape)}, and the file takes {shape_text(shape)}.",
                hint="The first size counts the rows." if shape else _takes(spec),
            )
    rows = {len(array) for array in given.values() if array.ndim}
    sizes = {shape[0] for shape in shapes.values() if shape}
    if not rows:
        return None
    if len(rows) != 1 or len(sizes) != 1:
        counts = ", ".join(map(str, sorted(rows)))
        raise InvalidArgument(f"The inputs have {counts} rows; each needs as many.", hint=_takes(spec))
    count = rows.pop()
    if not count:
        raise InvalidArgument("There are no rows to run.", hint=_takes(spec))
    return count
