"""A disk that is really full: nothing half published, one clear error, and the next one goes well when there is room."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from taxiway.errors import ResourceExhausted
from taxiway.publish import publish
from taxiway.stores import Shelf, open_store, verify

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 pages, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={64 * PAGE}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def left(store: Path) -> list[str]:
    return sorted(path.relative_to(store).as_posix() for path in store.rglob("*") if ".taxiway" not in path.parts)


def test_a_disk_that_fills_up_at_any_page_holds_nothing_half(disk: Path, saved_model: Path) -> None:
    weights = saved_model / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(b"w" * 5 * PAGE)
    filler, store = disk / "filler", disk / "models"
    refused = 0
    filler.write_bytes(b"f" * 64 * PAGE)
    # Each try keeps its number, a page of a claim; two pages more are a page more room.
    for free in range(0, 60, 2):
        os.truncate(filler, (64 - free) * PAGE)
        try:
            publish(saved_model, "m", store)
            break
        except ResourceExhausted as error:
            refused += 1
            assert error.message.startswith("No room is left: ") and error.hint == "Make room and try again."
            assert left(store) in ([], ["m"])
    assert refused >= 5, "the disk was never full"
    assert len(Shelf(open_store(store), "m").versions()) == 1
    assert verify(store / "m" / str(Shelf(open_store(store), "m").versions()[0])).model == "m"


def test_a_file_over_the_limit_of_this_user_is_no_room_either(tmp_path: Path, saved_model: Path) -> None:
    (saved_model / "variables" / "large").write_bytes(b"w" * 20 * PAGE)
    with files_limited_to(10 * PAGE), pytest.raises(ResourceExhausted, match="No room is left: .*: File too large"):
        publish(saved_model, "m", tmp_path / "models")
    assert left(tmp_path / "models") == ["m"]
    assert publish(saved_model, "m", tmp_path / "models").version == 2


@pytest.mark.tensorflow
def test_an_export_that_finds_no_room_leaves_nothing(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, saved_model: Path
) -> None:
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.weights = tf.Variable(tf.random.stateless_uniform([64, PAGE // 4], [1, 2]))

    def ask(x: Callable[[], None]) -> object:
        return tf.matmul(module.weights, tf.reshape(x, [-1, 1]))

    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    model = (ask, [tf.TensorSpec([PAGE // 4], tf.float32, "x")])
    with pytest.raises(ResourceExhausted, match="No room is left to export to"):
        publish(model, "m", tmp_path / "models")
    assert not (tmp_path / "models" / "m").exists()
    assert [path for path in disk.iterdir() if path.is_dir()] == []
