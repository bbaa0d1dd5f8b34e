"""Artefacts of a published version, over every kind of store."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taxiway.errors import Aborted, DataLoss, InvalidArgument, NotFound, Unavailable
from taxiway.publish import prune_versions, publish, show_version
from taxiway.stores import Made, Shelf, add_artifacts, damaged_artifacts, open_store, pull, pull_artifact
from taxiway.stores.labels import set_label
from taxiway.testing.clock import FakeClock
from taxiway.testing.stores import write_files
from tests.unit.stores.killing import STEPS

ROOT = Path(__file__).parents[3]
INT8 = Made(["int8.tflite"], {"agreement": 0.995})


@pytest.fixture(params=["directory", "s3", "gcs"])
def shelf(request: pytest.FixtureRequest, saved_model: Path, tmp_path: Path) -> Shelf:
    """A store of each kind with one version."""
    url = str(tmp_path / "models") if request.param == "directory" else str(request.getfixturevalue(request.param))
    publish(saved_model, "m", url)
    return Shelf(open_store(url), "m")


def built(tmp_path: Path, **files: bytes) -> Path:
    """A directory with files, ``__`` in their names for a dot."""
    folder = tmp_path / f"built-{len(list(tmp_path.iterdir()))}"
    return write_files(folder, {name.replace("__", "."): data for name, data in files.items()})


def files_of(shelf: Shelf) -> set[str]:
    return {entry.name for entry in shelf.store.entries(shelf.at("1"), deep=True)}


def test_what_is_added_is_listed_fetched_and_replaced(shelf: Shelf, tmp_path: Path) -> None:
    before = shelf.manifest(1)
    web = Made(["float32/model.json", "float32/shard1.bin"], {"agreement": 1.0})
    add_artifacts(shelf, 1, "edge", built(tmp_path, int8__tflite=b"one"), {"int8": INT8})
    page = write_files(tmp_path / "page", {"float32/model.json": b"{}", "float32/shard1.bin": b"w" * 9})
    add_artifacts(shelf, 1, "browser", page, {"float32": web})
    manifest = shelf.manifest(1)
    assert {name: (one.target, one.variant, one.contract) for name, one in manifest.artifacts.items()} == {
        "artifacts/browser/float32/model.json": ("browser", "float32", {"agreement": 1.0}),
        "artifacts/browser/float32/shard1.bin": ("browser", "float32", {}),
        "artifacts/edge/int8.tflite": ("edge", "int8", {"agreement": 0.995}),
    }
    assert manifest.files == before.files and manifest.lineage == before.lineage
    assert pull_artifact(shelf, 1, "artifacts/edge/int8.tflite", tmp_path).read_bytes() == b"one"

    # Another build of one of them takes the former's place, and its bytes are gone.
    former = manifest.artifacts["artifacts/edge/int8.tflite"].stored
    add_artifacts(shelf, 1, "edge", built(tmp_path, int8__tflite=b"two!"), {"int8": INT8})
    assert pull_artifact(shelf, 1, "artifacts/edge/int8.tflite", tmp_path).read_bytes() == b"two!"
    assert former not in files_of(shelf)
    small = write_files(tmp_path / "small", {"float32/model.json": b"[]"})
    add_artifacts(shelf, 1, "browser", small, {"float32": Made(["float32/model.json"])}, without=["uint8"])
    assert list(shelf.manifest(1).artifacts) == ["artifacts/browser/float32/model.json", "artifacts/edge/int8.tflite"]
    # One that no longer meets its contract leaves.
    manifest = add_artifacts(shelf, 1, "edge", built(tmp_path), {}, without=["int8"])
    assert list(manifest.artifacts) == ["artifacts/browser/float32/model.json"]
    assert not any(name.startswith("artifacts/edge/") for name in files_of(shelf))


def test_a_version_with_artefacts_is_pulled_copied_and_pruned_as_before(
    shelf: Shelf, saved_model: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    pulled = pull(shelf, 1, cache)
    weights = pulled / "variables" / "variables.data-00000-of-00001"
    inode = weights.stat().st_ino
    add_artifacts(shelf, 1, "edge", built(tmp_path, model__tflite=b"lite"), {"int8": Made(["model.tflite"])})
    assert pull(shelf, 1, cache) == pulled
    assert weights.stat().st_ino == inode, "the version was pulled again for an artefact"
    assert show_version("m", 1, shelf.store.location).artifacts.keys() == {"artifacts/edge/model.tflite"}
    # A copy is a new version: what was made of the old one is not of it.
    copy = publish(f"{shelf}/1", "m", shelf.store.location)
    assert copy.manifest.artifacts == {} and copy.manifest.files == shelf.manifest(1).files
    set_label(shelf, "stable", 1)
    clock = FakeClock(2_000_000_000.0)
    assert prune_versions("m", 1, shelf.store.location, clock=clock)[1].why == "labelled stable"
    set_label(shelf, "stable", None)
    assert prune_versions("m", 1, shelf.store.location, clock=clock)[1].removed
    assert files_of(shelf) == set()


def test_those_who_build_at_once_all_succeed(shelf: Shelf, tmp_path: Path) -> None:
    sources = {f"v{n}": write_files(tmp_path / f"s{n}", {f"v{n}.tflite": b"%d" % n}) for n in range(6)}

    def add(variant: str) -> None:
        made = {variant: Made([f"{variant}.tflite"])}
        add_artifacts(Shelf(open_store(shelf.store.location), "m"), 1, "edge", sources[variant], made)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, sources))
    assert shelf.manifest(1).artifacts.keys() == {f"artifacts/edge/{variant}.tflite" for variant in sources}
    for variant in sources:
        pull_artifact(shelf, 1, f"artifacts/edge/{variant}.tflite", tmp_path)


def test_bad_calls_change_nothing(shelf: Shelf, tmp_path: Path) -> None:
    source = built(tmp_path, int8__tflite=b"one")
    add_artifacts(shelf, 1, "edge", source, {"int8": INT8})
    before = files_of(shelf)
    for variants, kind, text in [
        ({"int8": Made(["int4.tflite"])}, InvalidArgument, "int8 names int4.tflite, which is no file"),
        ({"int8": Made(["../built/int8.tflite"])}, InvalidArgument, "is no file"),
        ({"int8": Made([])}, InvalidArgument, "has no files"),
        ({"a": INT8, "b": INT8}, InvalidArgument, "Two artefacts cannot both"),
        ({"other": INT8}, InvalidArgument, "is a file of edge int8 already"),
        ({"int8": Made(["int8.tflite"], {"agreement": float("nan")})}, InvalidArgument, "cannot be written as JSON"),
    ]:
        with pytest.raises(kind, match=text):
            add_artifacts(shelf, 1, "edge", source, variants)
    with pytest.raises(InvalidArgument, match="holds files of no artefact: more"):
        add_artifacts(shelf, 1, "edge", write_files(source, {"more": b"1"}), {"int8": INT8})
    with pytest.raises(NotFound):
        add_artifacts(shelf, 2, "edge", source, {"int8": INT8})
    with pytest.raises(NotFound, match="has no artefact artifacts/edge/x") as raised:
        pull_artifact(shelf, 1, "artifacts/edge/x", tmp_path)
    assert raised.value.hint == "It has artifacts/edge/int8.tflite."
    assert files_of(shelf) == before


def test_a_version_that_is_removed_meanwhile_does_not_come_back(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = type(shelf.store).place

    def removed_first(self: object, folder: str, *rest: object) -> None:
        shelf.store.remove("m/1")
        real(self, folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(shelf.store), "place", removed_first)
    with pytest.raises((Aborted, NotFound)):
        add_artifacts(shelf, 1, "edge", built(tmp_path, int8__tflite=b"one"), {"int8": INT8})
    assert shelf.numbered() == {}


def test_an_answer_that_was_lost_takes_no_bytes_away(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest was written, and then the store could not be reached."""
    real = type(shelf.store).write

    def cut_off(self: object, name: str, *rest: object) -> str:
        tag = real(self, name, *rest)  # type: ignore[arg-type]
        if name == "m/1/taxiway.json":
            raise Unavailable("the store is away")
        return tag

    with monkeypatch.context() as patch:
        patch.setattr(type(shelf.store), "write", cut_off)
        with pytest.raises(Unavailable):
            add_artifacts(shelf, 1, "edge", built(tmp_path, int8__tflite=b"one"), {"int8": INT8})
    assert pull_artifact(shelf, 1, "artifacts/edge/int8.tflite", tmp_path).read_bytes() == b"one"


def test_damage_is_found(saved_model: Path, tmp_path: Path) -> None:
    publish(saved_model, "m", tmp_path / "models")
    shelf = Shelf(open_store(tmp_path / "models"), "m")
    manifest = add_artifacts(shelf, 1, "edge", built(tmp_path, int8__tflite=b"one"), {"int8": INT8})
    stored = tmp_path / "models" / "m" / "1" / manifest.artifacts["artifacts/edge/int8.tflite"].stored
    assert damaged_artifacts(tmp_path / "models" / "m" / "1", manifest) == {}
    stored.write_bytes(b"two")
    assert (
        "SHA-256 differs" in damaged_artifacts(tmp_path / "models" / "m" / "1", manifest)["artifacts/edge/int8.tflite"]
    )
    with pytest.raises(DataLoss, match="is not what was published"):
        pull_artifact(shelf, 1, "artifacts/edge/int8.tflite", tmp_path)
    # A manifest from elsewhere cannot lead out of the version.
    mark = tmp_path / "models" / "m" / "1" / "taxiway.json"
    document = json.loads(mark.read_bytes())
    document["artifacts"]["artifacts/edge/int8.tflite"]["stored"] = "../../secret"
    mark.write_text(json.dumps(document))
    with pytest.raises(DataLoss, match="names a file outside it"):
        shelf.manifest(1)


def test_what_nothing_ever_named_goes_after_a_day(shelf: Shelf, tmp_path: Path) -> None:
    stray = "m/1/artifacts/edge/0badcafe"
    shelf.store.place(stray, built(tmp_path, int4__tflite=b"left"), lambda files: b"{}")
    source = built(tmp_path, int8__tflite=b"one")
    written = max(entry.modified_at for entry in shelf.store.entries(stray, deep=True))
    add_artifacts(shelf, 1, "edge", source, {"int8": INT8}, clock=FakeClock(written + 80_000))
    assert shelf.store.entries(stray, deep=True)
    add_artifacts(shelf, 1, "edge", source, {"int8": INT8}, clock=FakeClock(written + 90_000))
    assert shelf.store.entries(stray, deep=True) == []


# As in test_faults: the process of each point is killed at that step of replacing an artefact.
KILLED = f"""{STEPS}
from taxiway.stores import Shelf, Made, add_artifacts, open_store

source, store = Path(sys.argv[1]), sys.argv[2]
for point in sys.argv[3].split(","):
    child = os.fork()
    if child == 0:
        left = int(point)
        add_artifacts(Shelf(open_store(store), "m"), 1, "edge", source, {{"int8": Made(["int8.tflite"])}})
        os._exit(0)
    print(int(os.waitpid(child, 0)[1] != 0), flush=True)
"""


@pytest.mark.timeout(300)
def test_killed_at_seeded_points_the_version_has_the_old_artefact_or_the_new_one(shelf: Shelf, tmp_path: Path) -> None:
    add_artifacts(shelf, 1, "edge", built(tmp_path, int8__tflite=b"old"), {"int8": INT8})
    source = built(tmp_path, int8__tflite=os.urandom(100_000))
    points = sorted({random.Random(seed).randint(1, 26) for seed in range(16)})
    states = set()
    for point in points[:: 1 if shelf.store.root else 3]:
        command = [sys.executable, "-c", KILLED, str(source), shelf.store.location, str(point)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
        states.add((run.stdout.strip(), pull_artifact(shelf, 1, "artifacts/edge/int8.tflite", tmp_path).stat().st_size))
        shutil.rmtree(tmp_path / "artifacts")
    assert ("1", 3) in states, "none was killed before the manifest was there"
    assert {size for _, size in states} <= {3, 100_000}
    add_artifacts(shelf, 1, "edge", source, {"int8": INT8})
    assert pull_artifact(shelf, 1, "artifacts/edge/int8.tflite", tmp_path).stat().st_size == 100_000
