"""Half-copied directories, byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.serve.completeness import MANIFEST, Watch, looks_whole, walks_as_protobuf
from taxiway.serve.source import DirectorySource, discover, version_of
from taxiway.testing import FakeClock, write_saved_model, write_tflite

# Files that were written long before the clock's now, so that only what changes during a test is young.
LATER = FakeClock().now()


def files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file())


def write_manifest(path: Path) -> None:
    stated = {
        str(one.relative_to(path)): {
            "bytes": one.stat().st_size,
            "sha256": hashlib.sha256(one.read_bytes()).hexdigest(),
        }
        for one in files(path)
    }
    (path / MANIFEST).write_text(json.dumps({"files": stated}))


@pytest.mark.parametrize("manifest", [False, True])
def test_only_the_last_byte_makes_it_whole(tmp_path: Path, manifest: bool) -> None:
    whole = write_saved_model(tmp_path / "whole")
    if manifest:
        write_manifest(whole)
    copy = tmp_path / "copy"
    # A copy in any order: the manifest may well come first. Without one, the graph comes last here: protobuf's own form
    # is all that tells where it ends.
    order = sorted(files(whole), key=lambda one: (one.name != MANIFEST, one.name == "saved_model.pb"))
    for source in order:
        target = copy / source.relative_to(whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        last = source == order[-1]
        for length in range(len(data) + 1):
            target.write_bytes(data[:length])
            complete = last and length == len(data)
            assert (looks_whole(copy) == "") == complete, f"{source.name} at {length} of {len(data)} bytes"


def test_a_wrong_byte_is_seen_by_the_manifest(tmp_path: Path) -> None:
    path = write_saved_model(tmp_path / "1")
    write_manifest(path)
    data = path / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(b"dAta")
    assert looks_whole(path) == "variables/variables.data-00000-of-00001 is not as taxiway.json says"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": [{"path": "x"}]}'])
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    path = write_saved_model(tmp_path / "1")
    (path / MANIFEST).write_text(text)
    assert looks_whole(path) == "taxiway.json is not whole"


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], ""),
        (["variables.index"], "data"),
        (["variables.data-00000-of-00001"], "index"),
        (["variables.index", "variables.data-00000-of-00002"], "data"),
        (["variables.index", "variables.data-00000-of-00002", "variables.data-00001-of-00002"], ""),
        (["variables.index", "variables.data-00000-of-00001.tempstate123"], "data"),
    ],
)
def test_variables(tmp_path: Path, names: list[str], problem: str) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"\x12\x01\x00")
    for name in names:
        (tmp_path / "variables" / name).write_bytes(b"x")
    assert problem in looks_whole(tmp_path)
    assert bool(problem) == bool(looks_whole(tmp_path))


def test_litert(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"\x1c\x00\x00\x00TFL")
    assert looks_whole(tmp_path) == "model.tflite is not whole"
    assert looks_whole(write_tflite(tmp_path)) == ""


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_walked_to_an_end(data: bytes) -> None:
    assert walks_as_protobuf(data, needs=2) in (True, False)


def test_without_a_manifest_it_must_be_quiet(tmp_path: Path) -> None:
    path = write_saved_model(tmp_path / "1")
    clock = FakeClock(now=path.stat().st_ctime)
    watch = Watch(path)
    assert watch.look(clock, 2.0) == "copying: changed less than 2 s ago"
    clock.advance(1.9)
    assert watch.look(clock, 2.0)
    (path / "variables" / "variables.index").write_bytes(b"longer than it was")
    clock.advance(0.0)
    assert watch.look(clock, 2.0)
    clock.advance(2.1)
    assert watch.look(clock, 2.0) == ""


def test_old_files_need_no_wait_and_a_manifest_needs_none(tmp_path: Path) -> None:
    old = write_saved_model(tmp_path / "1")
    assert Watch(old).look(FakeClock(LATER), 2.0) == ""
    fresh = write_saved_model(tmp_path / "2")
    write_manifest(fresh)
    assert Watch(fresh).look(FakeClock(fresh.stat().st_ctime), 2.0) == ""


def test_a_directory_that_goes_away_is_no_crash(tmp_path: Path) -> None:
    assert Watch(tmp_path / "none").look(FakeClock(), 2.0).startswith("copying: ")


@pytest.mark.parametrize(
    ("name", "version"),
    [("1", 1), ("00000123", 123), ("-5", -5), ("0", 0), ("1a", None), ("", None), ("-", None), ("+1", None),
     ("1_0", None), ("٣", None), (str(2**63), None), (str(2**63 - 1), 2**63 - 1), (".tmp-1", None)],
)  # fmt: skip
def test_names_of_versions(name: str, version: int | None) -> None:
    assert version_of(name) == version


def test_a_source_states_what_is_there(tmp_path: Path) -> None:
    for name in ("2", "10", "staging"):
        write_saved_model(tmp_path / name)
    (tmp_path / "7").mkdir()
    (tmp_path / "8").write_text("a file")
    seen = DirectorySource(tmp_path, 2.0, FakeClock(LATER)).look()
    assert [(one.version, bool(one.waiting)) for one in seen.found] == [(2, False), (7, True), (10, False)]
    assert DirectorySource(tmp_path / "none", 2.0, FakeClock()).look().problem.startswith("cannot read")


def test_models_are_found_in_a_directory_of_models(tmp_path: Path) -> None:
    for name in ("a/1", "b/2", ".hidden/1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert discover(tmp_path) == {"a": tmp_path / "a", "b": tmp_path / "b"}
    with pytest.raises(OSError):
        discover(tmp_path / "none")


def test_permissions_are_reported_not_raised(tmp_path: Path) -> None:
    path = write_saved_model(tmp_path / "1")
    os.symlink(tmp_path / "nowhere", path / "variables" / "dangling")
    assert Watch(path).look(FakeClock(LATER), 2.0).startswith("copying: ")


def test_what_is_whole_is_walked_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from taxiway.serve import completeness

    for version in range(1, 21):
        write_manifest(write_saved_model(tmp_path / str(version)))
    clock = FakeClock(LATER)
    source = DirectorySource(tmp_path, 2.0, clock)
    assert all(not one.waiting for one in source.look().found)
    walked: list[str] = []
    real = completeness._stamp

    def stamp(path: Path) -> completeness.Stamp:
        walked.append(path.name)
        return real(path)

    monkeypatch.setattr(completeness, "_stamp", stamp)
    assert len(source.look().found) == 20
    assert walked == []
    (tmp_path / "7" / "extra").touch()
    source.look()
    assert walked == ["7"]
    # A byte that changes deep inside is found out too, later; not all are walked in the same look.
    (tmp_path / "8" / "variables" / "variables.index").write_bytes(b"damaged")
    counts = []
    waiting: set[int] = set()
    for _ in range(46):
        walked.clear()
        clock.advance(1.0)
        waiting |= {one.version for one in source.look().found if one.waiting}
        counts.append(len(walked))
    assert waiting == {8}
    assert max(counts) <= 6
