"""Publishers that are killed, disks that are full, stores that fail half-way: only whole versions are ever seen."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxiway.clock import SystemClock
from taxiway.errors import ResourceExhausted, TaxiwayError, Unavailable
from taxiway.publish import publish
from taxiway.stores import Shelf, Store, open_store, pull
from taxiway.stores.manifest import verify
from taxiway.stores.protocol import Entry
from tests.unit.stores.gcs import GcsStandIn
from tests.unit.stores.killing import STEPS

ROOT = Path(__file__).parents[3]
POINTS = 50

# Publishes once for each point; the process of a point is killed at that step. A step is a call of the store, before or
# after it is made, or a block of a file on its way there. Prints how many were killed and how many were done.
KILLED = f"""{STEPS}
from taxiway.publish import publish

source, store, points = Path(sys.argv[1]), sys.argv[2], [int(one) for one in sys.argv[3].split(",")]
upload = bucket.ObstoreBucket.upload
bucket.ObstoreBucket.upload = lambda self, name, blocks: upload(self, name, ((step(), block)[1] for block in blocks))

killed = 0
for point in points:
    child = os.fork()
    if child == 0:
        left = point
        publish(source, "m", store)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status), status
    killed += status != 0
print(killed, len(points) - killed)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["directory", "s3", "gcs"])
def test_killed_at_seeded_points_only_whole_versions_are_there(
    kind: str, request: pytest.FixtureRequest, saved_model: Path, tmp_path: Path
) -> None:
    url = str(tmp_path / "models") if kind == "directory" else str(request.getfixturevalue(kind))
    (saved_model / "variables" / "large").write_bytes(os.urandom(9 << 20))  # goes in two parts
    points = [random.Random(seed).randint(1, 34) for seed in range(POINTS)]
    command = [sys.executable, "-c", KILLED, str(saved_model), url, ",".join(map(str, points))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert run.returncode == 0, run.stderr
    killed, done = map(int, run.stdout.split())
    assert killed >= POINTS / 2
    shelf = Shelf(open_store(url), "m")
    assert len(shelf.versions()) >= done
    whole = shelf.versions()
    for version in (whole[0], whole[-1], *random.Random(7).sample(whole, min(4, len(whole)))):
        assert verify(pull(shelf, version, tmp_path / "cache")).version == version
    names = set(verify(pull(shelf, whole[0], tmp_path / "cache")).files)
    for version in whole:
        assert set(shelf.manifest(version).files) == names
    # The next publisher is not in the way of what they left.
    assert publish(saved_model, "m", url).version == max(shelf.claims())


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that is full after the first file."""
    from taxiway.stores import directory
    from taxiway.stores.durable import copy_file

    copied: list[Path] = []

    def copy(source: Path, target: Path) -> object:
        if copied:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        copied.append(source)
        return copy_file(source, target)

    monkeypatch.setattr(directory, "copy_file", copy)
    yield
    assert copied, "nothing was copied"


@pytest.mark.usefixtures("no_room")
def test_a_full_disk_publishes_nothing_and_says_so(saved_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceExhausted, match=r"No room is left: .*models/m/1: No space left on device"):
        publish(saved_model, "m", tmp_path / "models")
    assert [path.name for path in (tmp_path / "models" / "m").iterdir()] == [".taxiway"]


class FailsHalfWay:
    """A bucket that is away from the n-th upload on, for as long as the test likes."""

    def __init__(self, inner: object, uploads: int) -> None:
        self._inner, self._left = inner, uploads

    def __getattr__(self, name: str) -> object:
        if name in ("upload", "put"):
            self._left -= 1
            if self._left < 0:
                raise Unavailable("the store is away")
        return getattr(self._inner, name)


@pytest.mark.parametrize("uploads", [0, 1, 2, 3])
def test_a_store_that_fails_half_way_holds_nothing_half(
    gcs: str, saved_model: Path, monkeypatch: pytest.MonkeyPatch, uploads: int
) -> None:
    store = open_store(gcs)
    monkeypatch.setattr(store, "_bucket", FailsHalfWay(store._bucket, uploads))  # type: ignore[attr-defined]
    monkeypatch.setattr("taxiway.publish.api.open_store", lambda location, clock: store)
    with pytest.raises(Unavailable, match="the store is away"):
        publish(saved_model, "m", gcs)
    left = Shelf(open_store(gcs), "m")
    assert left.versions() == []
    assert left.store.entries("m/1", deep=True) == []


def test_an_answer_that_was_lost_is_no_failure(gcs: str, saved_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark was written, the answer did not come, and the second try finds it there."""
    from taxiway.stores import bucket

    real = bucket.ObstoreBucket.put

    def twice(self: bucket.ObstoreBucket, name: str, data: bytes, expected: str | None) -> str:
        real(self, name, data, expected)
        return real(self, name, data, expected)

    monkeypatch.setattr(bucket.ObstoreBucket, "put", twice)
    assert publish(saved_model, "m", gcs).version == 1
    assert Shelf(open_store(gcs), "m").versions() == [1]


def test_a_store_that_loses_a_file_is_found_out_before_the_mark(
    gcs: str, gcs_server: GcsStandIn, saved_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taxiway.stores import bucket

    real = bucket.ObstoreBucket.list

    def lossy(self: bucket.ObstoreBucket, prefix: str, *, deep: bool) -> list[Entry]:
        return [entry for entry in real(self, prefix, deep=deep) if entry.name != "saved_model.pb"]

    monkeypatch.setattr(bucket.ObstoreBucket, "list", lossy)
    with pytest.raises(TaxiwayError, match="is not in the store as it was sent"):
        publish(saved_model, "m", gcs)
    assert Shelf(open_store(gcs), "m").versions() == []


def test_an_unreachable_store_is_one_clear_sentence(saved_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(
        Unavailable, match=r"^gs://bucket/models cannot be reached: GET http://127\.0\.0\.1:1: .{5,80}$"
    ):
        publish(saved_model, "m", "gs://bucket/models")


def test_a_pull_that_finds_no_room_keeps_what_came(
    gcs: str, saved_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(saved_model, "m", gcs)
    shelf = Shelf(open_store(gcs, SystemClock()), "m")
    store: Store = shelf.store
    real = store.fetch

    def fetch(name: str, target: Path) -> None:
        if name.endswith("data-00000-of-00001"):
            raise ResourceExhausted("No room is left.")
        real(name, target)

    monkeypatch.setattr(store, "fetch", fetch)
    with pytest.raises(ResourceExhausted):
        pull(shelf, 1, tmp_path / "cache")
    assert not (tmp_path / "cache" / "1").exists()
    assert (tmp_path / "cache" / ".partial-1" / "saved_model.pb").exists()
    monkeypatch.setattr(store, "fetch", real)
    assert verify(pull(shelf, 1, tmp_path / "cache")).version == 1
