"""Building artefacts for web pages: written, run in a real browser, compared with the original, kept when they hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from taxiway.artifacts import (
    Rows,
    Source,
    Workshop,
    asked_original,
    asked_rows,
    kept_before,
    located,
    numeric,
    placed,
    signature_of,
)
from taxiway.browser import npm
from taxiway.browser.app import write_app
from taxiway.browser.convert.job import MODEL_FILE
from taxiway.browser.convert.weights import QUANTISATIONS, Quantisation
from taxiway.browser.tried import Reference, Runtimes, measured, runtimes, runtimes_named, sizes, tried
from taxiway.contract import Contract, Report, Variant, parse_contract
from taxiway.contract.agreement import outputs_with_scores
from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.types import JsonObject
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature

__all__ = ["DEFAULT_BACKENDS", "Built", "Wish", "build", "build_of", "contract_of"]

DEFAULT_BACKENDS = ("wasm", "cpu", "node")
# With all bits there, only rounding may differ.
_EXACT = 1e-5


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        report: the artefact, written or refused.
        place: where the files are, a path or a URL; empty when it was refused: then nothing is written, and what was
            there stays.
        unverified: what could not be tried, and why; empty when everything was.
    """

    report: Report
    place: str
    unverified: str = ""

    def as_json(self) -> JsonObject:
        """For programs."""
        return {**self.report.as_json(), "place": self.place or None, "not_verified": self.unverified or None}


@dataclass(frozen=True)
class Wish:
    """What is asked of a build; see :func:`build`."""

    signature: str
    contract: Contract
    weights: Quantisation = "float32"
    scores: str | None = None
    out: str | os.PathLike[str] | None = None


def contract_of(contract: Contract | str | None, weights: str) -> Contract:
    """What an artefact is held to: what is asked for, and without fewer bits the original's own numbers."""
    held = parse_contract(contract) if isinstance(contract, str) else contract or Contract()
    exact = weights == "float32" and held.max_difference is None
    return replace(held, max_difference=_EXACT) if exact else held


def build(
    model: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] = "models/",
    data: Any = None,
    labels: Any = None,
    contract: Contract | str | None = None,
    signature: str = DEFAULT_SIGNATURE,
    scores: str | None = None,
    weights: Quantisation = "float32",
    backends: Sequence[str] | None = DEFAULT_BACKENDS,
    out: str | os.PathLike[str] | None = None,
) -> Built:
    """Make a version a web page: TensorFlow.js's files, a typed loader, and an app that works without a network.

    The artefact is asked all rows in headless Chromium and compared with the SavedModel's own answers; only one that
    keeps its contract is written. Nothing is downloaded.

    Args:
        model: MODEL, MODEL:VERSION or MODEL:LABEL in ``store``, a SavedModel's directory, or a Keras file.
        store: where MODEL is.
        data: real rows: arrays by input name, an ``.npz`` or ``.npy`` file, or a recording of requests; the version's
            warm-up requests when None.
        labels: the true classes, or what they are called in the ``.npz``.
        contract: what it must hold to; see :func:`taxiway.contract.parse_contract`. With float32 weights no number may
            be further than 1e-5 from the original's, or than its own rounding explains.
        signature: the one that pages ask.
        scores: the output that holds scores of classes, where it cannot be told.
        weights: ``float32``, ``float16``, ``uint16`` or ``uint8``.
        backends: where it is tried, of ``wasm``, ``cpu``, ``webgl``, ``webgpu`` and ``node``: the first one answers all
            rows, the others a few. None: it is written untried, and the report says so, and what it replaced.
        out: a directory, which is made or replaced; ``artifacts/browser`` of the version when None.

    Raises:
        NotFound: there is no such model, signature or file of rows.
        InvalidArgument: the rows do not fit, or are too few to show what the contract asks for.
        Unimplemented: TensorFlow.js cannot do what the signature does; the message names the operation.
        FailedPrecondition: TensorFlow.js is not installed, the original cannot be asked, or there is nothing to try it
            on and it would replace a page that was tried.
    """
    names = None if backends is None else runtimes_named(backends)
    if weights not in QUANTISATIONS:
        raise InvalidArgument(f"{weights!r} is no type of weights.", hint=f"There are {', '.join(QUANTISATIONS)}.")
    wish = Wish(signature, contract_of(contract, weights), weights, scores, out)
    packages = npm.find()
    with Workshop() as workshop, located(model, store, workshop) as whole:
        source = numeric(workshop, whole, signature, "TensorFlow.js")
        asked = signature_of(source, signature, "TensorFlow.js")
        if names is None:
            return build_of(workshop, source, wish, packages)
        rows = asked_rows(workshop, source, (signature, asked), wish.contract, data, labels)
        with runtimes(names, packages) as where:
            return build_of(workshop, source, wish, packages, rows=rows, where=where)


def build_of(
    workshop: Workshop,
    source: Source,
    wish: Wish,
    packages: npm.Packages,
    *,
    rows: Rows | None = None,
    where: Runtimes | None = None,
) -> Built:
    """As :func:`build`, of a source, rows and runtimes that are at hand; unverified without any."""
    asked = signature_of(source, wish.signature, "TensorFlow.js")
    unverified = where.unverified if where is not None else "Not verified, as was asked for."
    if (where is None or not where.there) and (before := _tried_before(source, wish)):
        if where is not None:
            raise FailedPrecondition(
                f"{wish.out or source.said} has a page that was tried, and this one could not be. {unverified}",
                hint="--no-verify puts it there all the same; --out DIR writes it elsewhere.",
            )
        unverified += f" It takes the place of a page that was tried: {before}."
    folder = Path(tempfile.mkdtemp(dir=workshop.folder))
    written = workshop.ask(
        "graph_model", saved_model=str(source.directory), signature=wish.signature, weights=wish.weights,
        converter=str(packages.path("tfjs-converter")), out=str(folder),
    )  # fmt: skip
    reference = None
    if rows is not None:
        outputs, told = asked_original(workshop, source, wish.signature, rows)
        left_out = int(told.get("left_out", 0))
        reference = Reference(rows, outputs, told["noise_floor"], wish.contract, wish.scores, left_out)
    shown = _scores(asked, reference, wish.scores)
    files = write_app(folder, packages, asked, _title(source), None if rows is None else rows.inputs, shown)
    one = Variant(wish.weights, True, "not verified", file=MODEL_FILE, **sizes(folder))
    if reference is not None and where is not None and where.there:
        one = tried(folder, asked, reference, where, wish.weights)
    notes = {**one.notes, "signature": wish.signature, **({"not_verified": unverified} if unverified else {})}
    report = Report(
        kind="browser", model=source.model, version=source.version, source=source.said, contract=wish.contract,
        rows=0 if rows is None else rows.count, data="none" if rows is None else rows.said,
        noise_floor=0.0 if reference is None else reference.noise_floor, variants=[replace(one, notes=notes)],
        left_out=0 if reference is None else reference.left_out,
        measured="" if where is None else measured(where, asked), made_with={"tensorflow.js": written["tensorflow.js"]},
    )  # fmt: skip
    beside = [name for name in (*written["files"], *files) if name != MODEL_FILE]
    # One page a version: with other weights it has the same files.
    kept = bool(report.kept)
    place = placed(source, report, folder, wish.out, beside=beside, replacing=QUANTISATIONS) if kept else ""
    return Built(report, place, unverified)


def _tried_before(source: Source, wish: Wish) -> str:
    """What trying the page showed that is there already; empty when there is none, or an untried one."""
    before = kept_before(source, "browser", wish.out)
    return next((str(one["reason"]) for one in before if "agreement" in one), "")


def _scores(signature: Signature, reference: Reference | None, named: str | None) -> str | None:
    """The output whose classes the page shows."""
    if named is not None:
        if named not in signature.outputs:
            raise InvalidArgument(f"There is no output {named!r}.", hint=f"There are {', '.join(signature.outputs)}.")
        return named
    if reference is None:
        return next((name for name in signature.outputs if name in ("probabilities", "scores")), None)
    return next(iter(outputs_with_scores(reference.outputs)), None)


def _title(source: Source) -> str:
    return source.model if source.version is None else f"{source.model} {source.version}"
