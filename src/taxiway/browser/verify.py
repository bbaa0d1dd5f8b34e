"""Verifying an artefact that is there: the same rows, the same judgement, whoever made it and whenever."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from taxiway.artifacts import Workshop, asked_original, asked_rows, located, numeric, published, signature_of
from taxiway.artifacts.write import write_report
from taxiway.browser import npm
from taxiway.browser.build import DEFAULT_BACKENDS, Built, contract_of
from taxiway.browser.tried import Reference, check_whole, measured, runtimes, runtimes_named, tried
from taxiway.contract import REPORT_FILE, Contract, Report, parse_report
from taxiway.errors import DataLoss, FailedPrecondition, NotFound
from taxiway.stores import MANIFEST_FILE, is_cloud, pull_artifact
from taxiway.stores.manifest import ARTIFACTS
from taxiway.wire.signatures import DEFAULT_SIGNATURE

__all__ = ["verify"]


_KIND = "browser"


@dataclass(frozen=True)
class _Page:
    """A page on this machine.

    Attributes:
        folder: its files.
        said: where it is, for people.
        original: the version that it is published with; None when it is in a folder of its own.
    """

    folder: Path
    said: str
    original: str | None


def verify(
    page: str | os.PathLike[str],
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
        page: the artefact's folder, with ``model.json``, ``loader.js`` and ``vendor/``; or the version whose page it
            is: MODEL, MODEL:VERSION or MODEL:LABEL in ``store``, or the URL of a version, or of its page, in a bucket.
        against: the original; the version that the page is published with, or what the report names, when None.
        store: where MODEL is.
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
    names, packages = runtimes_named(backends), npm.find()
    with Workshop() as workshop, _page(page, store, workshop.folder) as there:
        check_whole(there.folder)
        before = _report(there.folder)
        original = against if against is not None else there.original or (before.source if before else None)
        if original is None:
            raise NotFound(
                f"Nothing in {page} says what it was made of.", hint="--against MODEL:VERSION, or a SavedModel"
            )
        past = before.variants[0] if before and before.variants else None
        weights = past.name if past else "as found"
        asked_contract = contract if contract is not None else (before.contract if before else None)
        held = contract_of(asked_contract, weights)
        name = signature or (past.notes.get("signature") if past else None) or DEFAULT_SIGNATURE
        given = data if data is not None else _data(before)
        with located(original, store, workshop) as whole:
            source = numeric(workshop, whole, name, "TensorFlow.js")
            asked = signature_of(source, name, "TensorFlow.js")
            rows = asked_rows(workshop, source, (name, asked), held, given, labels)
            outputs, told = asked_original(workshop, source, name, rows)
        reference = Reference(rows, outputs, told["noise_floor"], held, scores, int(told.get("left_out", 0)))
        with runtimes(names, packages) as where:
            if not where.there:
                raise FailedPrecondition(f"There is nothing to try it on: {where.unverified}")
            unverified = {"not_verified": where.unverified} if where.unverified else {}
            one = tried(there.folder, asked, reference, where, weights)
        report = Report(
            kind=_KIND, model=source.model, version=source.version, source=source.said, contract=held,
            rows=rows.count, data=rows.said, noise_floor=reference.noise_floor,
            variants=[replace(one, notes={**one.notes, "signature": name, **unverified})],
            left_out=reference.left_out,
            measured=measured(where, asked), made_with=before.made_with if before else {},
        )  # fmt: skip
        if there.original is None:
            write_report(there.folder, report)
    return Built(report, there.said if report.kept else "", where.unverified)


@contextmanager
def _page(what: str | os.PathLike[str], store: str | os.PathLike[str], scratch: Path) -> Iterator[_Page]:
    """The page that is meant; one of a version in a store is brought into ``scratch``.

    Raises:
        NotFound: there is none.
    """
    folder = Path(what)
    if folder.is_dir():
        yield _Page(folder, str(folder), _version_around(folder))
        return
    version = str(what).partition(f"/{ARTIFACTS}/{_KIND}")[0] if is_cloud(str(what)) else what
    if not is_cloud(str(what)) and ("/" in str(what) or str(what) in (".", "..")):
        raise NotFound(f"There is no directory {what}.", hint="Give a page's directory, MODEL or MODEL:VERSION.")
    shelf, number, _ = published(version, store)
    files = [name for name, one in shelf.manifest(number).artifacts.items() if one.target == _KIND]
    if not files:
        raise NotFound(f"{shelf}/{number} has no page.", hint="taxiway browser build makes one.")
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        for name in files:
            pull_artifact(shelf, number, name, Path(place))
        yield _Page(Path(place) / ARTIFACTS / _KIND, f"{shelf}/{number}", f"{shelf}/{number}")


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


def _version_around(folder: Path) -> str | None:
    """The version whose the files are, of models/digits/3/artifacts/browser/9f86d081; None when they are nobody's."""
    around = folder.absolute().parents[:3]
    return next((str(parent) for parent in around if (parent / MANIFEST_FILE).is_file()), None)
