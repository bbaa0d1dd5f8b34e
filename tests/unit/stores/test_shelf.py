"""Versions, numbers, labels, retention: over every kind of store."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from taxiway.cli.main import main
from taxiway.errors import Aborted, AlreadyExists, DataLoss, FailedPrecondition, InvalidArgument, NotFound
from taxiway.profile import measure
from taxiway.publish import diff_versions, label_version, list_versions, prune_versions, publish, show_version
from taxiway.stores import Shelf, Store, Use, open_store, pull, uses
from taxiway.stores.labels import Labels, change_labels, read_labels, resolve, set_label
from taxiway.stores.prune import judge
from taxiway.stores.uses import USE_SECONDS
from taxiway.testing.clock import FakeClock
from taxiway.wire.saved_model import PROFILE_FILE

WEIGHTS = "variables/variables.data-00000-of-00001"
ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["directory", "s3", "gcs"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store."""
    return str(tmp_path / "models") if request.param == "directory" else str(request.getfixturevalue(request.param))


def shelf_with(url: str, saved_model: Path, versions: int) -> Shelf:
    for _ in range(versions):
        publish(saved_model, "m", url)
    return Shelf(open_store(url), "m")


PUBLISHER = """
import sys
from pathlib import Path
from taxiway.publish import publish
sys.stdin.readline()
print(*[publish(Path(sys.argv[1]), "m", sys.argv[2]).version for _ in range(5)])
"""


@pytest.mark.timeout(300)
def test_two_publishers_at_once_get_different_numbers(url: str, saved_model: Path) -> None:
    command = [sys.executable, "-c", PUBLISHER, str(saved_model), url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    numbers = [int(number) for one in running for number in one.communicate(timeout=100)[0].split()]
    assert sorted(numbers) == list(range(1, 11))
    shelf = Shelf(open_store(url), "m")
    assert shelf.versions() == sorted(numbers, reverse=True)
    assert all(show_version("m", number, url).version == number for number in numbers)


def test_a_removed_number_does_not_come_back(url: str, saved_model: Path) -> None:
    shelf = shelf_with(url, saved_model, 2)
    shelf.store.remove("m/2")
    assert publish(saved_model, "m", url).version == 3
    assert shelf.versions() == [3, 1]
    with pytest.raises(AlreadyExists):
        publish(saved_model, "m", url, version=2)


def test_a_pull_is_held_to_the_manifest_and_goes_on(url: str, saved_model: Path, tmp_path: Path) -> None:
    shelf = shelf_with(url, saved_model, 1)
    if shelf.store.root is not None:
        assert pull(shelf, 1, tmp_path / "cache") == tmp_path / "models" / "m" / "1"
        return
    partial = tmp_path / "cache" / ".partial-1"
    (partial / "variables").mkdir(parents=True)
    (partial / WEIGHTS).write_bytes(b"wei")  # cut off half-way
    (partial / "saved_model.pb").write_bytes(b"damaged")  # and damaged since
    local = pull(shelf, 1, tmp_path / "cache")
    assert (local / WEIGHTS).read_bytes() == b"weights"
    assert (local / "saved_model.pb").read_bytes() == (saved_model / "saved_model.pb").read_bytes()
    assert not partial.exists()
    before = (local / WEIGHTS).stat()
    assert pull(shelf, 1, tmp_path / "cache") == local
    assert (local / WEIGHTS).stat().st_ino == before.st_ino, "what is whole is not pulled again"
    (local / WEIGHTS).write_bytes(b"wEights")
    assert (pull(shelf, 1, tmp_path / "cache") / WEIGHTS).read_bytes() == b"weights"
    with pytest.raises(NotFound):
        pull(shelf, 9, tmp_path / "cache")


def test_a_store_whose_bytes_changed_is_found_out(
    gcs: str, gcs_server: object, saved_model: Path, tmp_path: Path
) -> None:
    shelf = shelf_with(gcs, saved_model, 1)
    bucket = gcs.removeprefix("gs://")
    gcs_server.state.put(f"{bucket}/m/1/{WEIGHTS}", b"wEights")  # type: ignore[attr-defined]
    with pytest.raises(DataLoss, match="is not what was published"):
        pull(shelf, 1, tmp_path / "cache")
    assert not (tmp_path / "cache" / "1").exists()


def test_labels_move_by_compare_and_swap(url: str, saved_model: Path) -> None:
    shelf = shelf_with(url, saved_model, 2)
    assert label_version("m", "stable", 1, url) == {"stable": 1}
    assert label_version("m", "stable", 2, url, expected=1) == {"stable": 2}
    with pytest.raises(Aborted, match="stable of .* is at 2, not at 1"):
        label_version("m", "stable", 1, url, expected=1)
    with pytest.raises(NotFound):
        label_version("m", "stable", 7, url)
    assert (resolve(shelf, "stable"), resolve(shelf, "latest"), resolve(shelf, "1"), resolve(shelf, None)) == (
        2,
        2,
        1,
        2,
    )
    assert [row["labels"] for row in list_versions("m", url)] == [["stable"], []]
    assert label_version("m", "stable", None, url) == {}
    for name in ("latest", "7", "", "a b"):
        with pytest.raises(InvalidArgument):
            set_label(shelf, name, 1)


def test_many_labels_set_at_once_are_all_kept(url: str, saved_model: Path) -> None:
    shelf = shelf_with(url, saved_model, 1)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: set_label(shelf, name, 1), "abcdef"))
    assert set(read_labels(shelf).versions) == set("abcdef")


def test_pruning_leaves_what_is_labelled_used_or_new(url: str, saved_model: Path, clock: FakeClock) -> None:
    shelf = shelf_with(url, saved_model, 6)
    set_label(shelf, "stable", 2)
    use = Use(shelf, "server-1", clock)
    use.mark([3, 6])
    planned = prune_versions("m", 1, url, dry_run=True, clock=clock)
    assert shelf.versions() == [6, 5, 4, 3, 2, 1]
    done = prune_versions("m", 1, url, clock=clock)
    assert done == planned
    assert {one.version: one.why for one in done} == {
        6: "among the newest",
        5: "old",
        4: "old",
        3: "in use by server-1",
        2: "labelled stable",
        1: "old",
    }
    assert shelf.versions() == [6, 3, 2]
    assert shelf.store.entries("m/4", deep=True) == []
    assert read_labels(shelf) == Labels({"stable": 2})
    clock.advance(USE_SECONDS + 1)
    assert uses(shelf, clock.now()) == {}
    prune_versions("m", 1, url, clock=clock)
    assert shelf.versions() == [6, 2]
    with pytest.raises(InvalidArgument):
        prune_versions("m", 0, url)


def test_a_mark_is_renewed_before_it_grows_old_and_taken_away(url: str, saved_model: Path, clock: FakeClock) -> None:
    shelf = shelf_with(url, saved_model, 1)
    use = Use(shelf, "server-1", clock)
    for _ in range(3):
        use.mark([1])
        clock.advance(USE_SECONDS / 2)
    assert uses(shelf, clock.now()) == {1: ["server-1"]}
    use.mark([])
    assert uses(shelf, clock.now()) == {}
    assert shelf.store.entries("m/.taxiway/uses") == []


def test_a_version_that_is_being_removed_takes_no_label(tmp_path: Path, saved_model: Path) -> None:
    shelf = shelf_with(str(tmp_path / "models"), saved_model, 2)
    change_labels(shelf, lambda labels: Labels(labels.versions, frozenset({1})))
    with pytest.raises(FailedPrecondition, match="being removed"):
        set_label(shelf, "stable", 1)


def test_a_label_that_comes_while_pruning_decides_is_seen(
    tmp_path: Path, saved_model: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    shelf = shelf_with(str(tmp_path / "models"), saved_model, 3)
    calls: list[int] = []

    def judged(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:  # it has read the labels, and not yet written what it will remove
            set_label(shelf, "stable", 1)
        return judge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sys.modules["taxiway.stores.prune"], "judge", judged)
    prune_versions("m", 1, tmp_path / "models", clock=clock)
    assert shelf.versions() == [3, 1]
    assert read_labels(shelf).removing == frozenset()


def test_what_a_killed_publisher_left_is_pruned_after_a_day(s3: str, saved_model: Path) -> None:
    import time

    shelf = shelf_with(s3, saved_model, 1)
    store: Store = shelf.store
    store.write("m/.taxiway/claims/2", b"someone")
    store.write("m/2/saved_model.pb", b"half")
    assert prune_versions("m", 1, s3, clock=FakeClock(time.time() + 80_000))[-1].version == 1
    left = prune_versions("m", 1, s3, clock=FakeClock(time.time() + 90_000))[-1]
    assert (left.version, left.why) == (2, "never finished")
    assert store.entries("m/2", deep=True) == []
    assert publish(saved_model, "m", s3).version == 3


def test_a_diff_names_what_changed(tmp_path: Path, saved_model: Path) -> None:
    url = tmp_path / "models"
    publish(saved_model, "m", url, metrics={"accuracy": 0.9}, lineage={"parameters": {"rate": 0.1, "layers": 2}})
    (saved_model / WEIGHTS).write_bytes(b"more weights")
    (saved_model / "assets").mkdir()
    (saved_model / "assets" / "words.txt").write_bytes(b"a")
    publish(saved_model, "m", url, metrics={"accuracy": 0.95}, lineage={"parameters": {"rate": 0.2, "layers": 2}})
    found = diff_versions("m", 1, 2, url)
    assert found["files"] == {"added": ["assets/words.txt"], "removed": [], "changed": [WEIGHTS]}
    assert found["bytes"][1] - found["bytes"][0] == 6
    assert found["metrics"]["accuracy"]["difference"] == pytest.approx(0.05)
    assert found["parameters"] == {"rate": {"before": 0.1, "after": 0.2, "difference": 0.1}}
    assert found["signatures"] == {"added": [], "removed": [], "changed": []}
    json.dumps(found)


def test_a_diff_lays_the_training_rows_side_by_side(
    tmp_path: Path, saved_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = tmp_path / "models"
    publish(saved_model, "m", url)
    profile = saved_model / PROFILE_FILE
    profile.parent.mkdir()
    for ages, kinds in ((np.arange(10) / 4, ["a", "b"] * 5), (np.arange(10) / 2, ["a"] * 9 + ["c"])):
        profile.write_text(json.dumps(measure({"age": ages, "kind": np.array(kinds)}).as_json()))
        publish(saved_model, "m", url)
    found = diff_versions("m", 2, 3, url)["profile"]
    assert found["age mean"] == {"before": 1.125, "after": 2.25, "difference": 1.125}
    assert found["kind = c"] == {"before": None, "after": 0.1}
    assert "rows" not in found and diff_versions("m", 1, 2, url)["profile"]["rows"]["before"] is None
    assert main(["versions", "diff", "m", "2", "3", "--store", str(url)]) == 0
    assert re.search(r"profile age mean +1\.125 +2\.25 +\+1\.125", capsys.readouterr().out)
    (url / "m" / "3" / PROFILE_FILE).write_text("{")
    with pytest.raises(DataLoss, match="is not JSON"):
        diff_versions("m", 2, 3, url)


def test_a_version_goes_from_a_bucket_to_a_directory(gcs: str, saved_model: Path, tmp_path: Path) -> None:
    publish(saved_model, "m", gcs, metrics={"accuracy": 0.9})
    shutil.rmtree(saved_model)
    copy = publish(f"{gcs}/m/1", "m", tmp_path / "production")
    assert copy.manifest.metrics == {"accuracy": 0.9}
    assert copy.manifest.lineage["copied_from"]["version"] == 1


def test_a_version_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    for number in (2, 10):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
    shelf = Shelf(open_store(tmp_path), "m")
    assert shelf.with_versions() == shelf.with_versions(10, 2) == [2, 10]
    with pytest.raises(NotFound, match="no version 9 of m in ") as missing:
        shelf.with_versions(2, 9)
    assert missing.value.hint == "It has 2, 10."
    with pytest.raises(NotFound, match="no version of n in "):
        Shelf(open_store(tmp_path), "n").with_versions()
