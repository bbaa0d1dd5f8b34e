"""An artefact asked where it will run, and held to its contract."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts import Rows
from taxiway.browser.convert.job import MODEL_FILE
from taxiway.browser.npm import Packages
from taxiway.browser.run.asking import Asked, Runtime
from taxiway.browser.run.chromium import BACKENDS, Backend, Chromium
from taxiway.browser.run.node import Node
from taxiway.contract import Agreement, Contract, Judgement, Variant, compare, judge, tolerance
from taxiway.contract.agreement import Array
from taxiway.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound, TaxiwayError
from taxiway.wire.signatures import Signature

__all__ = [
    "RUNTIMES",
    "Reference",
    "Runtimes",
    "check_whole",
    "measured",
    "runtimes",
    "runtimes_named",
    "sizes",
    "tried",
]

RUNTIMES = (*BACKENDS, "node")
_BATCH = 32
# Those after the first compute the same by another way; a few rows show whether they do.
_FEW = 32
_BYTES = {"float32": 4, "int32": 4, "bool": 1, "float16": 2, "uint16": 2, "uint8": 1}


@dataclass(frozen=True)
class Reference:
    """What an artefact is held to.

    Attributes:
        rows: what is asked.
        outputs: the original's answers to all rows.
        noise_floor: see :func:`taxiway.contract.noise_floor`; ``left_out``, how many rows at a step it leaves out.
        contract: what is asked for.
        scores: the output that holds scores of classes, where it cannot be told.
        left_out: see ``noise_floor``.
    """

    rows: Rows
    outputs: Mapping[str, Array]
    noise_floor: float
    contract: Contract
    scores: str | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Runtimes:
    """Where artefacts can be tried on this machine, in the order that was asked for, and why not elsewhere."""

    there: Sequence[Runtime]
    missing: Mapping[str, TaxiwayError] = field(default_factory=dict)

    @property
    def unverified(self) -> str:
        """What could not be tried, in a sentence; empty when everything could."""
        by_reason: dict[str, list[str]] = {}
        for name, error in self.missing.items():
            by_reason.setdefault(f"{error.message} {error.hint or ''}".strip(), []).append(name)
        return " ".join(f"Not verified on {', '.join(names)}: {why}" for why, names in by_reason.items())


def runtimes_named(names: Sequence[str]) -> list[str]:
    """The names, each once.

    Raises:
        InvalidArgument: one is none of :data:`RUNTIMES`, or there are none.
    """
    for name in names:
        if name not in RUNTIMES:
            raise InvalidArgument(f"{name!r} is no backend.", hint=f"There are {', '.join(RUNTIMES)}.")
    if not names:
        raise InvalidArgument("No backend is named.", hint=f"--backends {','.join(RUNTIMES[:2])}")
    return list(dict.fromkeys(names))


@contextmanager
def runtimes(names: Sequence[str], packages: Packages) -> Iterator[Runtimes]:
    """What there is of some runtimes, for as long as the block lasts."""
    with ExitStack() as stack:
        there: list[Runtime] = []
        missing: dict[str, TaxiwayError] = {}
        browser: Chromium | TaxiwayError | None = None
        for name in names:
            try:
                if name == "node":
                    there.append(Node(packages))
                    continue
                if browser is None:
                    browser = _started(stack, packages)
                if isinstance(browser, TaxiwayError):
                    raise browser
                there.append(Backend(browser, name))
            except FailedPrecondition as error:
                missing[name] = error
        yield Runtimes(there, missing)


def measured(where: Runtimes, signature: Signature) -> str:
    """Of what the latency in a report is; empty where there is none."""
    if not where.there:
        return ""
    batch, free = _batch(signature)
    first = where.there[0].name
    place = "in Node" if first == "node" else f"in headless Chromium on {first}"
    rows = "one row" if free or batch == 1 else f"one request of {batch} rows"
    return f"{rows}, {place} of this machine, the loader's call included"


def _batch(signature: Signature) -> tuple[int, bool]:
    """How many rows are asked at a time, and whether it may be another number of them."""
    if all(spec.shape is None or spec.shape[:1] == (None,) for spec in signature.inputs.values()):
        return _BATCH, True
    return next(spec.shape[0] or 1 for spec in signature.inputs.values() if spec.shape), False


def _started(stack: ExitStack, packages: Packages) -> Chromium | TaxiwayError:
    try:
        return stack.enter_context(Chromium(packages))
    except FailedPrecondition as error:
        return error


def tried(folder: Path, signature: Signature, reference: Reference, where: Runtimes, weights: str) -> Variant:
    """Ask an artefact and judge it.

    The first runtime answers all rows, which are held to the contract. Every other one must give the same numbers on a
    few of them, but for rounding.

    Args:
        folder: the artefact's.
        signature: what the model takes.
        reference: what it is held to.
        where: at least one runtime.
        weights: what its weights are kept as: the variant's name.
    """
    batch, free = _batch(signature)
    one = Variant(weights, False, "", file=MODEL_FILE, contract=reference.contract, **sizes(folder))
    notes: dict[str, Any] = {}
    first: Mapping[str, Array] | None = None
    for runtime in where.there:
        inputs = reference.rows.inputs if first is None else _few(reference.rows.inputs, batch)
        try:
            answered = runtime.ask(folder, Asked(inputs, batch, free, timed=True))
            outputs = {name: _like(answered.outputs, name, held) for name, held in reference.outputs.items()}
            if first is None:
                found, judgement = _judged(outputs, reference)
                first = outputs
                one = replace(
                    one, agreement=found, latency_us=answered.us, kept=judgement.kept, reason=judgement.reason
                )
                apart = found.largest_difference
            else:
                apart, wrong = _apart(_few(first, batch), outputs, reference)
                one = replace(one, kept=False, reason=f"{runtime.name}: {wrong}") if wrong and one.kept else one
            notes[runtime.name] = {
                "difference": _finite(apart),
                "us": answered.us,
                "load_ms": round(answered.load_ms, 1),
            }
            if answered.leaked > 0 and one.kept:
                one = replace(
                    one, kept=False, reason=f"{runtime.name}: asking it leaves {answered.leaked} tensors behind"
                )
        except TaxiwayError as error:
            notes[runtime.name] = {"error": error.message}
            reason = f"{runtime.name}: {error.message}"
            one = replace(one, kept=False, reason=reason if one.kept or not one.reason else one.reason)
            if first is None:
                break
    return replace(one, file=one.file if one.kept else "", notes={"backends": notes})


def check_whole(folder: Path) -> None:
    """Hold the shards in a folder to its ``model.json``.

    Raises:
        NotFound: the folder has no such file.
        DataLoss: it, or a shard, is not whole.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise NotFound(f"There is no {MODEL_FILE} in {folder}.", hint="taxiway browser build makes it.")
    again = "taxiway browser build makes it anew."
    try:
        (group,) = json.loads(path.read_bytes())["weightsManifest"]
        wanted = sum(_bytes(one) for one in group["weights"])
        paths = [str(one) for one in group["paths"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"{path} is no model of TensorFlow.js: {error}", hint=again) from None
    there = {name: (folder / name).stat().st_size if (folder / name).is_file() else None for name in paths}
    if gone := [name for name, size in there.items() if size is None]:
        raise DataLoss(f"{folder} lacks {', '.join(gone)}.", hint=again)
    found = sum(size or 0 for size in there.values())
    if found != wanted:
        raise DataLoss(f"{', '.join(paths)}: {found:,} bytes, and {MODEL_FILE} needs {wanted:,}.", hint=again)


def sizes(folder: Path) -> dict[str, Any]:
    """What a page loads of the model itself: ``size_bytes`` and ``gzip_bytes``."""
    files = [folder / MODEL_FILE, *sorted(folder.glob("*.bin"))]
    data = [path.read_bytes() for path in files]
    return {
        "size_bytes": sum(map(len, data)),
        "gzip_bytes": sum(len(gzip.compress(one, 6, mtime=0)) for one in data),
    }


def _bytes(weight: Mapping[str, Any]) -> int:
    held = weight.get("quantization", {}).get("dtype", weight["dtype"])
    return int(math.prod(weight["shape"])) * _BYTES[held]


def _few(arrays: Mapping[str, Array], batch: int) -> dict[str, Array]:
    rows = max(batch, _FEW // batch * batch)
    return {name: one[:rows] for name, one in arrays.items()}


def _like(outputs: Mapping[str, Array], name: str, held: Array) -> Array:
    """An output in the original's type: the browser has fewer."""
    if name not in outputs:
        raise InvalidArgument(f"the output {name!r} is missing")
    found = outputs[name]
    return found.astype(held.dtype) if held.dtype.kind in "iub" else found


def _judged(outputs: Mapping[str, Array], reference: Reference) -> tuple[Agreement, Judgement]:
    found = compare(
        reference.outputs,
        outputs,
        labels=reference.rows.labels,
        confidence=reference.contract.confidence,
        scores=reference.scores,
    )
    return found, judge(found, reference.contract, reference.noise_floor)


def _apart(first: Mapping[str, Array], other: Mapping[str, Array], reference: Reference) -> tuple[float, str]:
    """How far two runtimes are from each other, and what is wrong with that."""
    found = compare(first, other, scores=reference.scores)
    allowed = tolerance(reference.noise_floor, found.scale)
    apart = found.largest_difference
    if found.not_finite or not apart <= allowed:
        return apart, f"the largest difference from the first backend is {apart:.2g}, and {allowed:.2g} is allowed"
    return apart, ""


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
