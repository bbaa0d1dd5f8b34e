"""Artefacts on their way to their place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from taxiway.artifacts import Source, kept_before, located, placed
from taxiway.artifacts.tokeniser import Tokeniser
from taxiway.contract import Contract, Report, Variant, parse_report
from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.publish import publish
from taxiway.stores import damaged_artifacts, read_manifest
from tests.unit.artifacts.saved import Pretending, saved_model

REPORT = {"report.json", "report.md", "report.svg"}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    # Drawing takes most of a second, and has tests of its own.
    monkeypatch.setattr("taxiway.artifacts.write.picture", lambda report: b"<svg/>")
    folder = saved_model(tmp_path / "m", {"x": (None, 4)}, {"y": (None, 3)})
    return Source(folder, "m", None, None, "m", tmp_path / "beside")


def report(*variants: Variant, kind: str = "edge") -> Report:
    return Report(kind, "m", None, "m", Contract(), 300, "rows", 0.0, variants)


def made(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_is_kept_is_written_and_what_is_refused_is_not(source: Source, tmp_path: Path) -> None:
    found = report(Variant("a", True, "holds", file="a"), Variant("b", False, "breaks"))
    place = placed(source, found, made(tmp_path, a=b"1", b=b"2", c=b"3"), None, beside=["c"])
    assert Path(place) == tmp_path / "beside" / "edge" and names(Path(place)) == {"a", "c", *REPORT}
    assert [one["name"] for one in kept_before(source, "edge", None)] == ["a"]
    assert kept_before(source, "browser", None) == kept_before(source, "edge", tmp_path / "none") == []
    document = json.loads((Path(place) / "report.json").read_text())
    assert [(one["name"], one["kept"]) for one in document["variants"]] == [("a", True), ("b", False)]


def test_a_directory_is_replaced_as_a_whole(source: Source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    placed(source, report(Variant("a", True, "", file="a")), made(tmp_path, a=b"1"), out)
    placed(source, report(Variant("b", True, "", file="b")), made(tmp_path, b=b"2"), out)
    assert names(out) == {"b", *REPORT} and not list(tmp_path.glob(".out*"))


def test_the_folders_of_others_are_left_alone(source: Source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = report(Variant("a", True, "", file="a"))
    placed(source, one, made(tmp_path, a=b"1"), out)
    with pytest.raises(InvalidArgument, match="holds no browser artefacts") as caught:
        placed(source, report(Variant("a", True, "", file="a"), kind="browser"), made(tmp_path, a=b"2"), out)
    assert caught.value.hint == "Give another --out." and (out / "a").read_bytes() == b"1"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "report.json").write_text("[]")
    (tmp_path / "file").write_text("mine")
    for target in ("thesis", "file"):
        with pytest.raises(InvalidArgument, match="is there already"):
            placed(source, one, made(tmp_path, a=b"1"), tmp_path / target)
    (tmp_path / "empty").mkdir()
    assert placed(source, one, made(tmp_path, a=b"1"), tmp_path / "empty") == str(tmp_path / "empty")


def test_a_place_that_cannot_be_written_loses_nothing(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    one = report(Variant("a", True, "", file="a"))
    placed(source, one, made(tmp_path, a=b"1"), out)
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if Path(target) == out and not path.name.endswith("-before"):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(FailedPrecondition, match="cannot be written: No space left"):
        placed(source, one, made(tmp_path, a=b"2"), out)
    assert (out / "a").read_bytes() == b"1" and not list(tmp_path.glob(".out*"))


def test_a_version_has_them_in_its_manifest_and_loses_those_that_are_refused(source: Source, tmp_path: Path) -> None:
    publish(source.directory, "m", tmp_path / "models")
    version = tmp_path / "models" / "m" / "1"
    with Pretending(dict) as workshop, located("m:1", tmp_path / "models", workshop) as there:
        both = report(Variant("a", True, "holds", file="a"), Variant("b", True, "", file="b"))
        first = placed(there, both, made(tmp_path, a=b"1", b=b"2", c=b"3"), None, beside=["c"])
        listed = read_manifest(version).artifacts
        assert {name.rpartition("/")[2]: one.variant for name, one in listed.items()} == {
            "a": "a", "c": "a", "b": "b", **dict.fromkeys(REPORT, "report")
        }  # fmt: skip
        assert listed["artifacts/edge/a"].contract["reason"] == "holds"
        assert names(Path(first)) >= {"a", "b", "c", *REPORT}
        assert [one["name"] for one in kept_before(there, "edge", None)] == ["a", "b"]
        placed(there, report(Variant("a", True, "", file="a"), Variant("b", False, "")), made(tmp_path, a=b"4"), None)
        manifest = read_manifest(version)
        assert {name.rpartition("/")[2] for name in manifest.artifacts} == {"a", *REPORT}
        assert not damaged_artifacts(version, manifest) and not Path(first).exists()


def test_what_replaces_others_takes_their_place(source: Source, tmp_path: Path) -> None:
    publish(source.directory, "m", tmp_path / "models")
    with Pretending(dict) as workshop, located("m:1", tmp_path / "models", workshop) as there:
        placed(there, report(Variant("a", True, "", file="model")), made(tmp_path, model=b"1"), None)
        placed(there, report(Variant("b", True, "", file="model")), made(tmp_path, model=b"2"), None, replacing=["a"])
    listed = read_manifest(tmp_path / "models" / "m" / "1").artifacts
    assert listed["artifacts/edge/model"].variant == "b"


def test_a_tokeniser_goes_with_them(source: Source, tmp_path: Path) -> None:
    split = Tokeniser("text", True, True, "whitespace", 4, ["late", "çà"])
    of_text = Source(source.directory, "m", None, None, "m", tmp_path / "beside", split)
    place = placed(of_text, report(Variant("a", True, "", file="a")), made(tmp_path, a=b"1"), None)
    assert Tokeniser(**json.loads((Path(place) / "tokeniser.json").read_text())) == split


def test_what_stays_of_an_earlier_build_keeps_its_tokeniser_and_its_rows(source: Source, tmp_path: Path) -> None:
    publish(source.directory, "m", tmp_path / "models")
    version = tmp_path / "models" / "m" / "1"
    split = Tokeniser("text", True, True, "whitespace", 4, ["late", "çà"])

    def listed() -> set[str]:
        return {name.rpartition("/")[2] for name in read_manifest(version).artifacts}

    with Pretending(dict) as workshop, located("m:1", tmp_path / "models", workshop) as numeric:
        texts = replace(numeric, tokeniser=split)
        first = report(Variant("a", True, "holds", file="a"), Variant("b", True, "", file="b"))
        placed(texts, first, made(tmp_path, a=b"1", b=b"2"), None)
        # Another signature, of numbers: "a" still needs the tokeniser.
        later = replace(report(Variant("b", True, "", file="b")), contract=Contract(0.5))
        place = placed(numeric, later, made(tmp_path, b=b"3"), None)
        assert listed() == {"a", "b", "tokeniser.json", *REPORT}
        assert Tokeniser(**json.loads((Path(place) / "tokeniser.json").read_text())) == split
        told = parse_report(json.loads((Path(place) / "report.json").read_text()), "report.json")
        assert [(one.name, one.contract) for one in told.kept] == [("b", None), ("a", Contract())]
        other = replace(numeric, tokeniser=replace(split, lower=False))
        with pytest.raises(
            FailedPrecondition, match=r"stays of an earlier build \(a\) needs another tokeniser"
        ) as caught:
            placed(other, later, made(tmp_path, b=b"4"), None)
        assert "--out DIR" in str(caught.value.hint) and listed() == {"a", "b", "tokeniser.json", *REPORT}
        # With nothing left that takes its numbers, it goes.
        placed(numeric, first, made(tmp_path, a=b"5", b=b"6"), None)
        assert listed() == {"a", "b", *REPORT} and not damaged_artifacts(version, read_manifest(version))
