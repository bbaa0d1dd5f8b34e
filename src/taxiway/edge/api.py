"""Building artefacts for phones and boards: converted, run, compared with the original, and written when they hold."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.asked import asked_original, asked_rows
from taxiway.artifacts.rows import Rows
from taxiway.artifacts.source import Source, located, signature_of
from taxiway.artifacts.workshop import Died, Workshop
from taxiway.artifacts.write import placed
from taxiway.contract import (
    Contract,
    Limit,
    Report,
    Variant,
    compare,
    judge,
    parse_contract,
    parse_limits,
    recommend,
)
from taxiway.edge.explain import explained
from taxiway.edge.form import Form, checked_form
from taxiway.edge.metadata import with_description
from taxiway.edge.variants import VARIANTS, Kind, kinds_of
from taxiway.errors import FailedPrecondition, TaxiwayError, Unavailable
from taxiway.types import JsonObject
from taxiway.wire.signatures import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Built", "build"]

_LATENCY_SECONDS = 0.25


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        report: every variant, written or refused.
        place: where the files are, a path or a URL; empty when every variant was refused: then nothing is written, and
            what was there stays.
    """

    report: Report
    place: str

    def as_json(self) -> JsonObject:
        """For programs."""
        return {**self.report.as_json(), "place": self.place or None}


@dataclass(frozen=True)
class _Work:
    """What all variants of one build share."""

    workshop: Workshop
    folder: Path
    source: Source
    signature: str
    rows: Rows
    contract: Contract
    reference: Mapping[str, Any]
    noise_floor: float
    scores: str | None

    def file(self, name: str) -> str:
        return str(self.folder / name)


def build(
    model: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] = "models/",
    variants: Sequence[str] = tuple(VARIANTS),
    data: Any = None,
    labels: Any = None,
    contract: Contract | str | None = None,
    recommend: Sequence[Limit] | str | None = None,
    signature: str = DEFAULT_SIGNATURE,
    scores: str | None = None,
    out: str | os.PathLike[str] | None = None,
    **form: Unpack[Form],
) -> Built:
    """Make LiteRT files of a model, hold each to its contract, and write those that keep it.

    Every variant is converted, loaded, run on all rows and compared with the answers of the SavedModel's own signature.
    ``float32`` keeps every number, so it may differ by what rounding explains and no more. Converters and runtimes run
    in processes of their own: one that crashes refuses a variant, and no more.

    Args:
        model: MODEL, MODEL:VERSION or MODEL:LABEL in ``store``, a SavedModel's directory, or a Keras file.
        store: where MODEL is.
        variants: names of :data:`taxiway.edge.VARIANTS`.
        data: real rows: arrays by input name, an ``.npz`` or ``.npy`` file, or a recording of requests; the version's
            warm-up requests when None. Texts are tokenised where the tokeniser was split off a Keras file.
        labels: the true classes, or what they are called in the ``.npz``.
        contract: what each must hold to, ``agreement>=0.99@0.95``; see :func:`taxiway.contract.parse_contract`.
        recommend: limits, ``bytes<=200k`` or ``latency_us<=100``: the report says which to take.
        signature: the one that devices get, under the same name.
        scores: the output that holds scores of classes, where it cannot be told.
        out: a directory, which is made or replaced; ``artifacts/edge`` of the version when None.
        form: what files are like beside their numbers; see :class:`taxiway.edge.Form`.

    Returns:
        The report, and where the files are.

    Raises:
        NotFound: there is no such model, signature or file of rows.
        InvalidArgument: the rows do not fit, or are too few to show what the contract asks for.
        FailedPrecondition: the original cannot be asked, or takes texts, or cannot be unrolled.
        DataLoss: a file is damaged.
    """
    kinds = kinds_of(variants)
    held = parse_contract(contract) if isinstance(contract, str) else contract or Contract()
    limits = parse_limits(recommend) if isinstance(recommend, str) else list(recommend or [])
    unroll = checked_form(form).get("unroll", False)
    with Workshop() as workshop, located(model, store, workshop, unroll=unroll) as source:
        asked = signature_of(source, signature, "LiteRT")
        rows = asked_rows(workshop, source, (signature, asked), held, data, labels)
        return build_of(workshop, source, kinds, (signature, rows), held, limits=limits, scores=scores, out=out)


def build_of(
    workshop: Workshop,
    source: Source,
    kinds: Sequence[Kind],
    asked: tuple[str, Rows],
    contract: Contract,
    *,
    limits: Sequence[Limit] = (),
    scores: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Built:
    """As :func:`build`, of a source and rows that are at hand."""
    signature, rows = asked
    folder = Path(tempfile.mkdtemp(dir=workshop.folder))
    save(folder / "rows.npz", rows.inputs)
    reference, told = asked_original(workshop, source, signature, rows)
    compare(reference, reference, labels=rows.labels, scores=scores)  # refuses labels and scores that do not fit
    work = _Work(workshop, folder, source, signature, rows, contract, reference, told["noise_floor"], scores)
    made = {"tensorflow": str(told["tensorflow"])}
    found = [_variant(work, kind, made) for kind in kinds]
    report = Report(
        kind="edge", model=source.model, version=source.version, source=source.said, contract=contract,
        rows=rows.count, data=rows.said, noise_floor=work.noise_floor, variants=found,
        recommendation=recommend(found, limits) if limits else None,
        measured="one request on one thread of this machine, the runtime's Python call included", made_with=made,
    )  # fmt: skip
    return Built(report, placed(source, report, folder, out) if report.kept else "")


def _variant(work: _Work, kind: Kind, made: dict[str, str]) -> Variant:
    """Convert, run, compare, judge; whatever goes wrong is the reason of a refusal."""
    contract = work.contract
    if kind.exact and contract.max_difference is None:
        contract = replace(contract, max_difference=0.0)
    one = Variant(kind.name, False, "", contract=None if contract == work.contract else contract)
    file = work.file(f"{kind.name}.tflite")
    try:
        told = _converted(work, kind, file)
        one = replace(one, notes={"converter": told["converter"]}, **_sizes(file))
        answer = work.file(f"{kind.name}.npz")
        ran = work.workshop.ask(
            "run", file=file, signature=work.signature, rows=work.file("rows.npz"), out=answer, seconds=_LATENCY_SECONDS
        )
        made.setdefault("runtime", ran["runtime"])
        notes = {**one.notes, **({"batch": ran["batch"]} if ran["batch"] else {})}
        one = replace(one, latency_us=ran["latency_us"], notes=notes)
        agreement = compare(
            work.reference, load(answer),
            labels=work.rows.labels, confidence=contract.confidence, scores=work.scores,
        )  # fmt: skip
    except (Died, Unavailable) as error:
        return replace(
            one, reason=f"{error.message}; {f'take {kind.instead} instead' if kind.instead else 'try again'}"
        )
    except TaxiwayError as error:
        return replace(one, reason=explained(error.message, kind))
    judgement = judge(agreement, contract, work.noise_floor)
    one = replace(one, kept=judgement.kept, reason=judgement.reason, agreement=agreement)
    return _described(work, one, contract) if one.kept else one


def _converted(work: _Work, kind: Kind, file: str) -> dict[str, Any]:
    """Write the variant's file with the converter that makes it."""
    base = work.file("float32.tflite") if kind.recipe else file
    told: dict[str, Any] = {}
    if not kind.recipe or not Path(base).exists():
        told = work.workshop.ask(
            "convert", saved_model=str(work.source.directory), signature=work.signature,
            variant="float32" if kind.recipe else kind.name, rows=work.file("rows.npz"), out=base,
        )  # fmt: skip
    return work.workshop.ask("quantize", file=base, recipe=kind.recipe, out=file) if kind.recipe else told


def _described(work: _Work, one: Variant, contract: Contract) -> Variant:
    """Put what is known into the file itself, and see that it still answers the same."""
    path = Path(work.file(f"{one.name}.tflite"))
    bare, answered = path.read_bytes(), load(work.file(f"{one.name}.npz"))
    document = {
        "model": work.source.model, "version": work.source.version, "variant": one.name,
        "signature": work.signature, "contract": str(contract), "shown": one.reason, "rows": work.rows.count,
        "largest_difference": None if one.agreement is None else one.agreement.largest_difference,
        "accuracy": None if one.agreement is None else one.agreement.accuracy,
    }  # fmt: skip
    target = path.with_name(f"described-{path.name}")
    target.write_bytes(with_description(bare, document))
    again = work.file(f"{one.name}-again.npz")
    work.workshop.ask("run", file=str(target), signature=work.signature, rows=work.file("rows.npz"), out=again)
    if any(not np.array_equal(value, answered[name], equal_nan=True) for name, value in load(again).items()):
        raise FailedPrecondition(f"{one.name} answers otherwise with its description inside.")
    os.replace(target, path)
    return replace(one, file=path.name, **_sizes(str(path)))


def _sizes(file: str) -> dict[str, Any]:
    data = Path(file).read_bytes()
    return {"size_bytes": len(data), "gzip_bytes": len(gzip.compress(data, 9, mtime=0))}
