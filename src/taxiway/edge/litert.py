"""Running a LiteRT file: its signature asked rows, and timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.buckets import filled
from taxiway.artifacts.original import answers
from taxiway.contract.agreement import Array
from taxiway.edge.interpreter import says_not_whole
from taxiway.edge.whole_numbers import scales_of
from taxiway.errors import DataLoss, FailedPrecondition

__all__ = ["run"]

_BATCH_ROWS = 64
_WARM_UP_CALLS = 5
_WINDOWS = 5


def run(file: str, signature: str, rows: str, out: str, seconds: float = 0.0) -> dict[str, Any]:
    """Ask a file rows, and keep its answers. The last batch of a file with a fixed one is filled, and its answers cut.

    Where it takes and gives whole numbers that stand for others, rows and answers are those that they stand for.

    Args:
        file: a ``.tflite`` file.
        signature: the name.
        rows: the inputs, as ``arrays.save`` writes them.
        out: where the answers go.
        seconds: how long to measure the latency of one row (one batch of a file with a fixed one), on one thread; 0 not
            to.

    Returns:
        ``latency_us``: the median of the best window, None when not measured; ``runtime`` for people; ``batch``,
        the fixed one or None.

    Raises:
        DataLoss: the file is no LiteRT model.
        FailedPrecondition: the runtime refuses it, or it has no such signature.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise FailedPrecondition("ai-edge-litert is not installed: pip install 'taxiway[edge]'") from None
    try:
        interpreter = Interpreter(model_content=Path(file).read_bytes(), num_threads=1)
        runner = interpreter.get_signature_runner(signature)
    except ValueError as error:
        text = " ".join(str(error).split())
        if says_not_whole(text):
            raise DataLoss(f"{file} is no LiteRT file, or not a whole one: {text[:200]}") from None
        raise FailedPrecondition(f"the runtime refuses it: {text[:300]}") from None
    inputs = load(rows)
    details = runner.get_input_details()
    batch = _fixed_batch(details)

    takes, gives = scales_of(details), scales_of(runner.get_output_details())
    inputs = {name: takes[name].whole(one) if name in takes else one for name, one in inputs.items()}

    def ask(given: Mapping[str, Array]) -> Mapping[str, Array]:
        rows = len(next(iter(given.values())))
        answered = runner(**filled(given, batch or rows))
        # A copy: the runner hands out views of memory that the next run overwrites.
        return {name: np.array(value[:rows] if batch else value) for name, value in answered.items()}

    try:
        found = answers(ask, inputs, batch or _BATCH_ROWS)
        first = filled({name: one[: batch or 1] for name, one in inputs.items()}, batch or 1)
        latency = _latency(runner, first, seconds) if seconds else None
    except (RuntimeError, ValueError) as error:
        raise FailedPrecondition(f"it does not run: {' '.join(str(error).split())[:300]}") from None
    save(out, {name: gives[name].numbers(one) if name in gives else one for name, one in found.items()})
    return {"latency_us": latency, "batch": batch, "runtime": f"ai-edge-litert {metadata.version('ai-edge-litert')}"}


def _fixed_batch(details: Mapping[str, Any]) -> int | None:
    """The first size of the inputs where it cannot be changed."""
    signatures = [list(one.get("shape_signature", one["shape"])) for one in details.values()]
    fixed = [int(sizes[0]) for sizes in signatures if sizes and sizes[0] != -1]
    return fixed[0] if fixed else None


def _latency(runner: Any, given: Mapping[str, Array], seconds: float) -> float:
    """Microseconds of a call: the least of the windows' medians, for other work on the machine only adds to it."""
    for _ in range(_WARM_UP_CALLS):
        runner(**given)
    medians = []
    for _ in range(_WINDOWS):
        taken: list[float] = []
        end = time.perf_counter() + seconds / _WINDOWS
        while not taken or time.perf_counter() < end:
            began = time.perf_counter()
            runner(**given)
            taken.append(time.perf_counter() - began)
        medians.append(float(np.median(taken)))
    return min(medians) * 1e6
