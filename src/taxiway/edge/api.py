"""Building artefacts for phones and boards: converted, run, compared with the original, and written when they hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.artifacts.asked import asked_rows
from taxiway.artifacts.rows import Rows
from taxiway.artifacts.source import Source, located, numeric, signature_of
from taxiway.artifacts.workshop import Workshop
from taxiway.artifacts.write import kept_before, placed
from taxiway.contract import Contract, Limit, Report, parse_contract, parse_limits, recommend
from taxiway.edge.form import Form, checked_form
from taxiway.edge.make import Held, Work, asked_of, variant_of
from taxiway.edge.signatures import names_of, served_of
from taxiway.edge.variants import DEFAULT_VARIANTS, Kind, kinds_of
from taxiway.types import JsonObject
from taxiway.wire.saved_model import read_saved_model
from taxiway.wire.signatures import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Built", "build"]


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        report: every variant, written or refused.
        place: where the files are, a path or a URL; empty when every variant was refused: then nothing is written, and
            what was there stays.
        stays: variants of an earlier build that were refused now and are there all the same, as nothing was written;
            with what they showed then.
    """

    report: Report
    place: str
    stays: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """For programs."""
        return {**self.report.as_json(), "place": self.place or None, "stays": dict(self.stays)}


def build(
    model: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] = "models/",
    variants: Sequence[str] = DEFAULT_VARIANTS,
    data: Any = None,
    labels: Any = None,
    contract: Contract | str | None = None,
    recommend: Sequence[Limit] | str | None = None,
    signature: str | Sequence[str] = DEFAULT_SIGNATURE,
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
        variants: names of :data:`taxiway.edge.VARIANTS`; ``int8-io`` only when it is named.
        data: real rows: arrays by input name, an ``.npz`` or ``.npy`` file, or a recording of requests; the version's
            warm-up requests when None. Texts are tokenised where the tokeniser was split off a Keras file.
        labels: the true classes, or what they are called in the ``.npz``.
        contract: what each must hold to, ``agreement>=0.99@0.95``; see :func:`taxiway.contract.parse_contract`.
        recommend: limits, ``bytes<=200k`` or ``latency_us<=100``: the report says which to take.
        signature: the one that devices get, or several, under the same names. Every signature of a file is compared
            with the original's; labels are looked at where there are scores.
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
    names, shape = names_of(signature), checked_form(form)
    unroll, batches = shape.get("unroll", False), shape["batches"]
    with Workshop() as workshop, located(model, store, workshop, unroll=unroll, batches=batches) as whole:
        source = numeric(workshop, whole, names[0], "LiteRT") if len(names) == 1 else whole
        asked = {name: signature_of(source, name, "LiteRT") for name in names}
        served_of(read_saved_model(source.directory).signatures, names, batches)  # refuses what cannot be had
        inputs = {name for one in asked.values() for name in one.inputs}
        rows = {
            name: asked_rows(workshop, source, (name, one), held, data, labels, others=inputs)
            for name, one in asked.items()
        }
        return build_of(workshop, source, kinds, rows, held, shape, limits=limits, scores=scores, out=out)


def build_of(
    workshop: Workshop,
    source: Source,
    kinds: Sequence[Kind],
    rows: Mapping[str, Rows],
    contract: Contract,
    form: Form | None = None,
    *,
    limits: Sequence[Limit] = (),
    scores: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Built:
    """As :func:`build`, of a source and, by signature, rows that are at hand."""
    folder = Path(tempfile.mkdtemp(dir=workshop.folder))
    shape = checked_form(form or {})
    batches = shape["batches"]
    served = served_of(read_saved_model(source.directory).signatures, list(rows), batches)
    asked, tensorflow = asked_of(workshop, source, rows, Held(contract, scores, shape["classes"]), folder)
    work = Work(workshop, folder, source, contract, asked, served, batches)
    made = {"tensorflow": tensorflow}
    found = [variant_of(work, kind, made) for kind in kinds]
    first = next(iter(asked.values()))
    report = Report(
        kind="edge", model=source.model, version=source.version, source=source.said, contract=contract,
        rows=first.rows.count, data=first.rows.said, noise_floor=first.noise_floor, variants=found,
        left_out=first.left_out,
        recommendation=recommend(found, limits) if limits else None,
        measured="one request on one thread of this machine, the runtime's Python call included", made_with=made,
    )  # fmt: skip
    if not report.kept:
        refused = {one.name for one in found}
        before = kept_before(source, report.kind, out)
        return Built(report, "", {str(one["name"]): str(one["reason"]) for one in before if one["name"] in refused})
    return Built(report, placed(source, report, folder, out))
