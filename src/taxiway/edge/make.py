"""One variant: converted, every signature of it asked all rows and held to its contract, and described in the file."""

from __future__ import annotations

import gzip
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.asked import asked_original
from taxiway.artifacts.rows import Rows
from taxiway.artifacts.source import Source
from taxiway.artifacts.workshop import Died, Workshop
from taxiway.contract import Agreement, Contract, Judgement, Variant, compare, judge
from taxiway.contract.agreement import Array, border_of, outputs_with_scores
from taxiway.edge.classes import columns_named
from taxiway.edge.explain import explained
from taxiway.edge.metadata import with_description
from taxiway.edge.signatures import Served
from taxiway.edge.variants import Kind
from taxiway.errors import FailedPrecondition, TaxiwayError, Unavailable
from taxiway.types import JsonObject

__all__ = ["Asked", "Held", "Work", "asked_of", "variant_of"]

_LATENCY_SECONDS = 0.25


@dataclass(frozen=True)
class Asked:
    """What the original answers through one signature.

    Attributes:
        rows: what it was asked, and ``file``, where they are for other processes.
        file: see ``rows``.
        answers: by output.
        noise_floor: see :func:`taxiway.contract.noise_floor`; ``left_out``, how many rows at a step it leaves out.
        left_out: see ``noise_floor``.
        labels: the true classes, where its answers have scores.
        scores: the output that holds scores, where it cannot be told.
        contract: what answers are held to.
        classes: by output with scores, the names of its classes.
    """

    rows: Rows
    file: str
    answers: Mapping[str, Array]
    noise_floor: float
    left_out: int
    labels: Array | None
    scores: str | None
    contract: Contract
    classes: Mapping[str, list[str]]


@dataclass(frozen=True)
class Held:
    """What answers are held to, which output has scores where it cannot be told, and what classes are called."""

    contract: Contract
    scores: str | None = None
    classes: Any = None


@dataclass(frozen=True)
class Work:
    """What all variants of one build share; ``asked`` is by the original's signatures, ``served`` are the file's."""

    workshop: Workshop
    folder: Path
    source: Source
    contract: Contract
    asked: Mapping[str, Asked]
    served: Sequence[Served]
    batches: Sequence[int]

    def file(self, name: str) -> str:
        """Where a file of the build is."""
        return str(self.folder / name)

    @property
    def classes(self) -> dict[str, list[str]]:
        """By output, the names of its classes."""
        return {output: names for one in self.asked.values() for output, names in one.classes.items()}

    @property
    def borders(self) -> dict[str, float]:
        """By output that has scores of two classes in one column, above what it is the second, where not above 0.5."""
        named = {one.scores for one in self.asked.values() if one.scores}
        found = {
            output: border_of(answers)
            for one in self.asked.values()
            for output, answers in one.answers.items()
            if output in named or output in one.classes
        }
        return {output: border for output, border in found.items() if border != 0.5}

    def answers(self, kind: str, served: Served) -> str:
        """Where the answers of a signature of a variant are."""
        return self.file(f"{kind}-{self.served.index(served)}.npz")


@dataclass(frozen=True)
class _Found:
    served: Served
    batch: int | None
    latency_us: float
    agreement: Agreement
    judgement: Judgement

    def as_json(self) -> JsonObject:
        lower = self.agreement.agreement
        return {
            "of": self.served.of, "batch": self.batch, "agreement": lower,
            "largest_difference": _finite(self.agreement.largest_difference), "latency_us": round(self.latency_us, 1),
        }  # fmt: skip


def asked_of(
    workshop: Workshop, source: Source, rows: Mapping[str, Rows], held: Held, folder: Path
) -> tuple[dict[str, Asked], str]:
    """Ask the original, signature by signature; and TensorFlow's version.

    Labels, and terms of the contract that need them, count where a signature answers scores; for the first one always.

    Raises:
        FailedPrecondition: it cannot be asked.
        InvalidArgument: labels, ``scores`` or names of classes do not fit.
    """
    found, version = {}, ""
    for place, (name, one) in enumerate(rows.items()):
        file = folder / f"rows-{place}.npz"
        save(file, one.inputs)
        answers, told = asked_original(workshop, source, name, one)
        version, named = str(told["tensorflow"]), held.scores if not place or held.scores in answers else None
        labels, own = one.labels, held.contract
        if place and (labels is None or not outputs_with_scores(answers, named)):
            labels, own = None, replace(held.contract, min_accuracy=None, max_accuracy_drop=None)
        compare(answers, answers, labels=labels, scores=named)  # refuses labels and scores that do not fit
        scored = outputs_with_scores(answers, named, labelled=labels is not None)
        classes = columns_named(answers, scored, held.classes, strict=not place) if held.classes else {}
        noise = (told["noise_floor"], told.get("left_out", 0))
        found[name] = Asked(one, str(file), answers, *noise, labels, named, own, classes)
    return found, version


def variant_of(work: Work, kind: Kind, made: dict[str, str]) -> Variant:
    """Convert, run, compare, judge; whatever goes wrong is the reason of a refusal."""
    contract = _held(work.contract, kind)
    one = Variant(kind.name, False, "", contract=None if contract == work.contract else contract)
    file = work.file(f"{kind.name}.tflite")
    try:
        told = _converted(work, kind, file)
        one = replace(one, notes={"converter": told["converter"]}, **_sizes(file))
    except TaxiwayError as error:
        return replace(one, reason=_refusal(error, kind))
    found: list[_Found] = []
    for served in work.served:
        try:
            found.append(_found(work, kind, served, made))
        except TaxiwayError as error:
            return replace(one, reason=f"{_named(work, served)}{_refusal(error, kind)}")
        if not found[-1].judgement.kept:
            break
    one = _judged(work, one, found)
    return _described(work, one, found, contract) if one.kept else one


def _held(contract: Contract, kind: Kind) -> Contract:
    return replace(contract, max_difference=0.0) if kind.exact and contract.max_difference is None else contract


def _found(work: Work, kind: Kind, served: Served, made: dict[str, str]) -> _Found:
    """Ask one signature of the file all rows, and judge."""
    asked = work.asked[served.of]
    contract, answers = _held(asked.contract, kind), work.answers(kind.name, served)
    ran = work.workshop.ask(
        "run", file=work.file(f"{kind.name}.tflite"), signature=served.key, rows=asked.file, out=answers,
        seconds=_LATENCY_SECONDS if served == work.served[0] else _LATENCY_SECONDS / 2,
    )  # fmt: skip
    made.setdefault("runtime", ran["runtime"])
    agreement = compare(
        asked.answers, load(answers), labels=asked.labels, confidence=contract.confidence, scores=asked.scores
    )
    judgement = judge(agreement, contract, asked.noise_floor)
    return _Found(served, ran["batch"], ran["latency_us"], agreement, judgement)


def _judged(work: Work, one: Variant, found: Sequence[_Found]) -> Variant:
    """The variant is as good as the worst of its signatures, and as fast as its first."""
    worst = found[-1]
    if worst.judgement.kept:
        worst = min(found, key=lambda each: (_lower(each.agreement), -each.agreement.largest_difference))
    notes = {**one.notes, **({"batch": found[0].batch} if found[0].batch else {})}
    reason = f"{_named(work, worst.served)}{worst.judgement.reason}"
    if len(found) > 1 and worst.judgement.kept:
        reason = f"{worst.judgement.reason}, by each of {len(found)} signatures at least"
    if len(work.served) > 1:
        notes["signatures"] = {each.served.key: each.as_json() for each in found}
    return replace(
        one, kept=worst.judgement.kept, reason=reason, agreement=worst.agreement, latency_us=found[0].latency_us,
        notes=notes,
    )  # fmt: skip


def _lower(agreement: Agreement) -> float:
    return 1.0 if agreement.agreement_lower is None else agreement.agreement_lower


def _named(work: Work, served: Served) -> str:
    return f"{served.key}: " if len(work.served) > 1 else ""


def _refusal(error: TaxiwayError, kind: Kind) -> str:
    if isinstance(error, (Died, Unavailable)):
        return f"{error.message}; {f'take {kind.instead} instead' if kind.instead else 'try again'}"
    return explained(error.message, kind)


def _converted(work: Work, kind: Kind, file: str) -> dict[str, Any]:
    """Write the variant's file with the converter that makes it."""
    base = work.file("float32.tflite") if kind.recipe else file
    told: dict[str, Any] = {}
    if not kind.recipe or not Path(base).exists():
        told = work.workshop.ask(
            "convert", saved_model=str(work.source.directory), out=base, batches=list(work.batches),
            variant="float32" if kind.recipe else kind.name,
            signatures={name: asked.file for name, asked in work.asked.items()},
        )  # fmt: skip
    return work.workshop.ask("quantize", file=base, recipe=kind.recipe, out=file) if kind.recipe else told


def _described(work: Work, one: Variant, found: Sequence[_Found], contract: Contract) -> Variant:
    """Put what is known into the file itself, and see that it still answers the same."""
    path = Path(work.file(f"{one.name}.tflite"))
    document = {
        "model": work.source.model, "version": work.source.version, "variant": one.name,
        "signature": found[0].served.key, "contract": str(contract), "shown": one.reason,
        "rows": work.asked[found[0].served.of].rows.count,
        "largest_difference": None if one.agreement is None else _finite(one.agreement.largest_difference),
        "accuracy": found[0].agreement.accuracy,
        "signatures": {each.served.key: {"of": each.served.of, "batch": each.batch} for each in found},
        **({"classes": work.classes} if work.classes else {}),
        **({"borders": work.borders} if work.borders else {}),
    }  # fmt: skip
    target = path.with_name(f"described-{path.name}")
    target.write_bytes(with_description(path.read_bytes(), document))
    again = work.file(f"{one.name}-again.npz")
    for each in found:
        rows = work.asked[each.served.of].file
        work.workshop.ask("run", file=str(target), signature=each.served.key, rows=rows, out=again)
        answered = load(work.answers(one.name, each.served))
        if any(not np.array_equal(value, answered[name], equal_nan=True) for name, value in load(again).items()):
            raise FailedPrecondition(f"{one.name} answers otherwise with its description inside.")
    os.replace(target, path)
    return replace(one, file=path.name, **_sizes(str(path)))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _sizes(file: str) -> dict[str, Any]:
    data = Path(file).read_bytes()
    return {"size_bytes": len(data), "gzip_bytes": len(gzip.compress(data, 9, mtime=0))}
