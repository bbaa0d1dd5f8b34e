"""Verifying an artefact that is there: the same rows, the same judgement, whoever made it and whenever."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from taxiway.artifacts import Workshop, asked_original, asked_rows, located, signature_of
from taxiway.artifacts.write import write_report
from taxiway.browser import npm
from taxiway.browser.build import DEFAULT_BACKENDS, Built, contract_of
from taxiway.browser.tried import Reference, check_whole, runtimes, runtimes_named, tried
from taxiway.contract import REPORT_FILE, Contract, Report, parse_report
from taxiway.errors import DataLoss, FailedPrecondition, NotFound
from taxiway.stores import MANIFEST_FILE
from taxiway.wire.signatures import DEFAULT_SIGNATURE

__all__ = ["verify"]


def verify(
    folder: str | os.PathLike[str],
    *,
    against: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] = "models/",
    data: Any = None,
    labels: Any = None,
    contract: Contract | str | None = None,
    signature: str | None = None,
    scores: str | None = None,
    backends: Sequence[str] = DEFAULT_BACKENDS,
) -> Built:
    """Ask an artefact and its original the same rows again, and write the report anew.

    The report beside the artefact says what it was made of and held to, unless that is said here. An artefact inside a
    published version stays as it is, its report too: its digests stand in the manifest.

    Args:
        folder: the artefact's: with ``model.json``, ``loader.js`` and ``vendor/``.
        against: the original; where the report says it is, when None.
        store: where the original is, when it is MODEL:VERSION.
        data: real rows; see :func:`taxiway.browser.build`.
        labels: the true classes.
        contract: what it must hold to.
        signature: which one of the original's.
        scores: the output that holds scores of classes.
        backends: where it is tried.

    Returns:
        The report, whose variant is kept when it holds; the place is empty when it does not.

    Raises:
        NotFound: there is no artefact, or nothing says what it was made of.
        DataLoss: the artefact is damaged.
        FailedPrecondition: there is nothing to try it on.
    """
    folder = Path(folder)
    check_whole(folder)
    names, packages = runtimes_named(backends), npm.find()
    before = _report(folder)
    original = against if against is not None else (before.source if before else None)
    if original is None:
        raise NotFound(
            f"Nothing in {folder} says what it was made of.", hint="--against MODEL:VERSION, or a SavedModel"
        )
    past = before.variants[0] if before and before.variants else None
    weights = past.name if past else "as found"
    asked_contract = contract if contract is not None else (before.contract if before else None)
    held = contract_of(asked_contract, weights)
    name = signature or (past.notes.get("signature") if past else None) or DEFAULT_SIGNATURE
    given = data if data is not None else _data(before)
    with Workshop() as workshop, located(original, store, workshop) as source:
        asked = signature_of(source, name, "TensorFlow.js")
        rows = asked_rows(workshop, source, (name, asked), held, given, labels)
        outputs, told = asked_original(workshop, source, name, rows)
        reference = Reference(rows, outputs, told["noise_floor"], held, scores)
        with runtimes(names, packages) as where:
            if not where.there:
                raise FailedPrecondition(f"There is nothing to try it on: {where.unverified}")
            unverified = {"not_verified": where.unverified} if where.unverified else {}
            one = tried(folder, asked, reference, where, weights)
        report = Report(
            kind="browser", model=source.model, version=source.version, source=source.said, contract=held,
            rows=rows.count, data=rows.said, noise_floor=reference.noise_floor,
            variants=[replace(one, notes={**one.notes, "signature": name, **unverified})],
            measured=before.measured if before else "", made_with=before.made_with if before else {},
        )  # fmt: skip
    if not _published(folder):
        write_report(folder, report)
    return Built(report, str(folder) if report.kept else "", where.unverified)


def _report(folder: Path) -> Report | None:
    path = folder / REPORT_FILE
    try:
        return parse_report(json.loads(path.read_bytes()), str(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataLoss(f"{path} is not JSON: {error}", hint="Remove it, and say --against and --data.") from None


def _data(report: Report | None) -> str | None:
    """The file of rows that a report names, when it is there still."""
    return report.data if report is not None and Path(report.data).is_file() else None


def _published(folder: Path) -> bool:
    """Whether the files belong to a version: models/digits/3/artifacts/browser/9f86d081."""
    return any((parent / MANIFEST_FILE).is_file() for parent in folder.absolute().parents[:3])
