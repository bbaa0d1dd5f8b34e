"""The report beside artefacts: every variant, written or refused, with what it was judged on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taxiway.contract.agreement import Agreement
from taxiway.contract.judge import Contract
from taxiway.contract.recommend import Recommendation
from taxiway.errors import DataLoss, Unimplemented
from taxiway.types import JsonObject

__all__ = ["COLUMNS", "REPORT_FILE", "SIGNATURE_COLUMNS", "Report", "Variant", "parse_report"]

REPORT_FILE = "report.json"
SCHEMA = 1
SIGNATURE_COLUMNS = ("VARIANT", "SIGNATURE", "ROWS", "AGREEMENT", "LARGEST", "LATENCY")
COLUMNS = ("VARIANT", "", "AGREEMENT", "LARGEST", "ACCURACY", "SIZE", "GZIP", "LATENCY", "WHY")


@dataclass(frozen=True)
class Variant:
    """One variant.

    Attributes:
        name: ``int8``.
        kept: whether it was written.
        reason: what it showed, or why it was refused.
        agreement: what comparing found; None when it never came to that.
        size_bytes: of the artefact; None when there is none. So for ``gzip_bytes`` and ``latency_us``.
        gzip_bytes: compressed.
        latency_us: of one request, in microseconds; ``measured`` says of what.
        file: what it is called in the folder; empty when it was not written.
        contract: what it was held to, where that is not the report's.
        notes: what else there is to know, as JSON: backends that were tried, which converter made it.
    """

    name: str
    kept: bool
    reason: str
    agreement: Agreement | None = None
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    latency_us: float | None = None
    file: str = ""
    contract: Contract | None = None
    notes: JsonObject = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The document; what is not known is left out."""
        document = {
            "name": self.name,
            "kept": self.kept,
            "reason": self.reason,
            "file": self.file or None,
            "bytes": self.size_bytes,
            "gzip_bytes": self.gzip_bytes,
            "latency_us": None if self.latency_us is None else round(self.latency_us, 1),
            "agreement": None if self.agreement is None else self.agreement.as_json(),
            "contract": None if self.contract is None else self.contract.as_json(),
            "notes": dict(self.notes) or None,
        }
        return {name: value for name, value in document.items() if value is not None}


@dataclass(frozen=True)
class Report:
    """What became of a model's artefacts.

    Attributes:
        kind: ``edge`` or ``browser``.
        model: its name, and ``version``, its number, where it is a published one.
        version: see ``model``.
        source: where the original is.
        contract: what every variant was held to.
        rows: how many rows were compared, and ``data``, where they are from.
        data: see ``rows``.
        noise_floor: see :func:`taxiway.contract.noise_floor`; ``left_out``, how many rows at a step it leaves out.
        left_out: see ``noise_floor``.
        variants: in the order they were asked for.
        recommendation: which to take, where somebody asked.
        measured: of what the latencies are, for people.
        made_with: versions of what made and ran them.
    """

    kind: str
    model: str
    version: int | None
    source: str
    contract: Contract
    rows: int
    data: str
    noise_floor: float
    variants: Sequence[Variant]
    recommendation: Recommendation | None = None
    measured: str = ""
    made_with: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0

    @property
    def steps(self) -> str:
        """What the noise floor leaves out, for people; empty when that is nothing."""
        rows = "1 row" if self.left_out == 1 else f"{self.left_out:,} rows"
        return f" ({rows} at a step left out)" if self.left_out else ""

    @property
    def kept(self) -> list[Variant]:
        """Those that were written."""
        return [one for one in self.variants if one.kept]

    @property
    def title(self) -> str:
        """``digits version 3``."""
        return f"{self.model} version {self.version}" if self.version is not None else self.model

    def as_json(self) -> dict[str, Any]:
        """The document of :data:`REPORT_FILE`."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "model": self.model,
            "version": self.version,
            "source": self.source,
            "contract": self.contract.as_json(),
            "rows": self.rows,
            "data": self.data,
            "noise_floor": self.noise_floor,
            **({"left_out": self.left_out} if self.left_out else {}),
            "measured": self.measured,
            "made_with": dict(self.made_with),
            "variants": [one.as_json() for one in self.variants],
            "recommendation": None if self.recommendation is None else self.recommendation.as_json(),
        }

    def table(self) -> list[tuple[str, ...]]:
        """A row a variant, for :data:`COLUMNS`."""
        return [_row(one) for one in self.variants]

    def signature_table(self) -> list[tuple[str, ...]]:
        """A row for each signature of the variants that have several, for :data:`SIGNATURE_COLUMNS`."""
        return [_part(one.name, *part) for one in self.variants for part in one.notes.get("signatures", {}).items()]

    def markdown(self) -> str:
        """The page beside the artefacts."""
        who = f"{self.title}, {self.kind} artefacts"
        lines = [f"# {who[0].upper()}{who[1:]}", ""]
        lines.append(
            f"Held to `{self.contract}` on {self.rows:,} rows ({self.data}). TensorFlow's own answers move by "
            f"{self.noise_floor:.2g}{self.steps} when the inputs move by rounding."
        )
        if self.measured:
            lines.append(f"Latency: {self.measured}.")
        lines += ["", *markdown_table(COLUMNS, self.table())]
        if parts := self.signature_table():
            lines += ["", *markdown_table(SIGNATURE_COLUMNS, parts)]
        if self.recommendation is not None:
            lines += ["", f"{self.recommendation}"]
        return "\n".join(lines) + "\n"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [
        f"| {' | '.join(column.lower() for column in columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]


def parse_report(document: JsonObject, where: str) -> Report:
    """The report in a document, without the rows' own differences.

    Raises:
        DataLoss: it is none.
        Unimplemented: a newer Taxiway wrote it.
    """
    try:
        if int(document["schema"]) > SCHEMA:
            raise Unimplemented(f"{where} has schema {document['schema']}; this Taxiway reads {SCHEMA}.")
        advice = document["recommendation"]
        return Report(
            kind=str(document["kind"]),
            model=str(document["model"]),
            version=document["version"],
            source=str(document["source"]),
            contract=Contract(**document["contract"]),
            rows=int(document["rows"]),
            data=str(document["data"]),
            noise_floor=float(document["noise_floor"]),
            variants=[_variant(one) for one in document["variants"]],
            recommendation=None if advice is None else Recommendation(**advice),
            measured=str(document["measured"]),
            made_with=dict(document["made_with"]),
            left_out=int(document.get("left_out", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataLoss(f"{where} is no report of artefacts: {type(error).__name__}: {error}") from None


def _variant(document: JsonObject) -> Variant:
    found = document.get("agreement")
    if found is not None:
        # JSON has no infinity; only this difference can be one.
        largest = math.inf if found["largest_difference"] is None else found["largest_difference"]
        found = Agreement(**{**found, "largest_difference": largest})
    return Variant(
        name=str(document["name"]),
        kept=bool(document["kept"]),
        reason=str(document["reason"]),
        agreement=found,
        size_bytes=document.get("bytes"),
        gzip_bytes=document.get("gzip_bytes"),
        latency_us=document.get("latency_us"),
        file=str(document.get("file", "")),
        contract=Contract(**document["contract"]) if "contract" in document else None,
        notes=dict(document.get("notes", {})),
    )


def _row(one: Variant) -> tuple[str, ...]:
    found = one.agreement
    return (
        one.name,
        "written" if one.kept else "refused",
        "" if found is None or found.agreement is None else _percent(found.agreement),
        "" if found is None else f"{found.largest_difference:.1e}",
        "" if found is None or found.accuracy is None else f"{found.accuracy:.4f}",
        "" if one.size_bytes is None else _size(one.size_bytes),
        "" if one.gzip_bytes is None else _size(one.gzip_bytes),
        "" if one.latency_us is None else _time(one.latency_us),
        one.reason,
    )


def _part(variant: str, signature: str, told: JsonObject) -> tuple[str, ...]:
    agreement, largest = told.get("agreement"), told.get("largest_difference")
    return (
        variant,
        signature,
        "any" if told.get("batch") is None else str(told["batch"]),
        "" if agreement is None else _percent(agreement),
        "" if largest is None else f"{largest:.1e}",
        "" if told.get("latency_us") is None else _time(told["latency_us"]),
    )


def _percent(share: float) -> str:
    return f"{math.floor(share * 10_000) / 100:.2f} %"


def _size(size_bytes: int) -> str:
    if size_bytes < 1000:
        return f"{size_bytes} B"
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1_000_000 else f"{size_bytes / 1e6:.2f} MB"


def _time(microseconds: float) -> str:
    return f"{microseconds:.0f} µs" if microseconds < 10_000 else f"{microseconds / 1000:.1f} ms"
