"""Artefacts and their report into their place: a version in a store, or a directory."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from taxiway.artifacts.source import Source
from taxiway.artifacts.tokeniser import TOKENISER_FILE
from taxiway.contract import PICTURE_FILE, REPORT_FILE, Report, Variant, parse_report, picture
from taxiway.errors import FailedPrecondition, InvalidArgument, TaxiwayError
from taxiway.stores import Made, Shelf, add_artifacts, pull_artifact
from taxiway.stores.manifest import ARTIFACTS
from taxiway.types import JsonObject

__all__ = ["kept_before", "placed", "write_report"]

_PAGE_FILE = "report.md"


def placed(
    source: Source,
    report: Report,
    made: Path,
    out: str | os.PathLike[str] | None,
    *,
    beside: Sequence[str] = (),
    replacing: Sequence[str] = (),
) -> str:
    """Put the kept variants and the report where they belong, all of them or none; returns where that is.

    Variants of a published version that this report does not name stay, with their tokeniser, and in its report.

    Args:
        source: what they are made of.
        report: names them.
        made: the folder with their files.
        out: a directory of one's own; without, a published version gets them beside it, with digests and contracts in
            its manifest, and any other source gets them into a folder of its own.
        beside: files that go with the first kept variant.
        replacing: variants that the version has no longer when it has these.

    Raises:
        InvalidArgument: ``out`` is no directory of artefacts.
        FailedPrecondition: variants that stay take another tokeniser's numbers.
        TaxiwayError: the place cannot be written.
    """
    ready = made / "ready"
    ready.mkdir()
    for name in (*(one.file for one in report.kept), *beside):
        (ready / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(made / name, ready / name)
    tokeniser, told = _tokeniser_text(source), report
    shelved = _shelved(source, out)
    if shelved is not None:
        told, tokeniser = _with_earlier(shelved, report, tokeniser, replacing)
    write_report(ready, told)
    if tokeniser is not None:
        (ready / TOKENISER_FILE).write_text(tokeniser, encoding="utf-8")
    if shelved is not None:
        shelf, version = shelved
        variants = {
            one.name: Made([one.file, *(beside if place == 0 else ())], _noted(one, source).as_json())
            for place, one in enumerate(report.kept)
        }
        refused = [one.name for one in report.variants if not one.kept]
        refused += [name for name in replacing if name not in variants]
        split = [] if tokeniser is None else [TOKENISER_FILE]
        files = Made([REPORT_FILE, _PAGE_FILE, PICTURE_FILE, *split])
        manifest = add_artifacts(shelf, version, report.kind, ready, {**variants, "report": files}, without=refused)
        # Each addition has a folder of its own, and the report is in it.
        stored = manifest.artifacts[f"{ARTIFACTS}/{report.kind}/{REPORT_FILE}"].stored
        return f"{shelf}/{shelf.name_of(version)}/{stored.removesuffix(f'/{REPORT_FILE}')}"
    target = Path(out) if out is not None else source.beside / report.kind
    _into(ready, target, report.kind)
    return str(target)


def kept_before(source: Source, kind: str, out: str | os.PathLike[str] | None) -> list[JsonObject]:
    """What :func:`placed` would find where it puts artefacts: the variants' documents of earlier reports."""
    if (shelved := _shelved(source, out)) is not None:
        shelf, version = shelved
        there = shelf.manifest(version).artifacts.values()
        return [one.contract for one in there if one.target == kind and one.contract]
    report = _report_in(Path(out) if out is not None else source.beside / kind)
    return [] if report is None or report.kind != kind else [one.as_json() for one in report.kept]


def _shelved(source: Source, out: str | os.PathLike[str] | None) -> tuple[Shelf, int] | None:
    """The published version that gets artefacts beside it; None when they go into a directory."""
    if out is not None or source.shelf is None or source.version is None:
        return None
    return source.shelf, source.version


def _tokeniser_text(source: Source) -> str | None:
    if source.tokeniser is None:
        return None
    return json.dumps(source.tokeniser.as_json(), indent=1, ensure_ascii=False) + "\n"


def _noted(one: Variant, source: Source) -> Variant:
    """The variant, saying what makes its numbers of texts."""
    return one if source.tokeniser is None else replace(one, notes={**one.notes, "tokeniser": TOKENISER_FILE})


def _with_earlier(
    shelved: tuple[Shelf, int], report: Report, tokeniser: str | None, replacing: Sequence[str]
) -> tuple[Report, str | None]:
    """The report with the variants of earlier builds that stay, and the tokeniser that any of all these needs."""
    shelf, version = shelved
    listed = shelf.manifest(version).artifacts
    gone = {*(one.name for one in report.variants), *replacing}
    stay = {
        one.variant: one.contract
        for one in listed.values()
        if one.target == report.kind and one.contract and one.variant not in gone
    }
    if not stay:
        return report, tokeniser
    home = f"{ARTIFACTS}/{report.kind}"
    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        name = f"{home}/{REPORT_FILE}"
        before = _report_in(pull_artifact(shelf, version, name, Path(folder)).parent) if name in listed else None
        of_texts = sorted(name for name, one in stay.items() if "tokeniser" in (one.get("notes") or {}))
        if of_texts:
            name = f"{home}/{TOKENISER_FILE}"
            earlier = pull_artifact(shelf, version, name, Path(folder)).read_text(encoding="utf-8")
            if tokeniser is not None and earlier != tokeniser:
                names = ", ".join(of_texts)
                raise FailedPrecondition(
                    f"What stays of an earlier build ({names}) needs another tokeniser, and a version has one "
                    f"{TOKENISER_FILE}.",
                    hint=f"Build {names} again along with these, or give the new files a place: --out DIR.",
                )
            tokeniser = earlier
    rows = [] if before is None else [one for one in before.kept if one.name in stay]
    kept = [replace(one, contract=one.contract or before.contract) for one in rows if before is not None]
    return replace(report, variants=[*report.variants, *kept]), tokeniser


def write_report(folder: Path, report: Report) -> None:
    """Write a report beside its artefacts: as JSON, as a page, and as a picture."""
    document = json.dumps(report.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / REPORT_FILE).write_text(document + "\n", encoding="utf-8")
    (folder / _PAGE_FILE).write_text(report.markdown(), encoding="utf-8")
    (folder / PICTURE_FILE).write_bytes(picture(report))


def _holds(folder: Path, kind: str) -> bool:
    """Whether a build of the kind made the folder: others have files called report.json too, and must not lose them."""
    report = _report_in(folder)
    return report is not None and report.kind == kind


def _report_in(folder: Path) -> Report | None:
    path = folder / REPORT_FILE
    try:
        return parse_report(json.loads(path.read_bytes()), str(path))
    except (OSError, ValueError, TaxiwayError):
        return None


def _into(ready: Path, target: Path, kind: str) -> None:
    """Replace a directory of artefacts by another."""
    if target.exists() and not _holds(target, kind) and (not target.is_dir() or any(target.iterdir())):
        raise InvalidArgument(f"{target} is there already and holds no {kind} artefacts.", hint="Give another --out.")
    beside = target.parent / f".{target.name}-{secrets.token_hex(8)}"
    before = beside.with_name(f"{beside.name}-before")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ready, beside)
        if target.exists():
            target.rename(before)
        beside.rename(target)
    except OSError as error:
        if before.exists() and not target.exists():
            before.rename(target)
        raise FailedPrecondition(f"{target} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)
