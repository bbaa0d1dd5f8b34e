"""What of a version's artefacts is offered for download, as the sources and the table have it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from taxiway.clock import SystemClock
from taxiway.publish import publish
from taxiway.serve.cloud import Cache, StoreSource
from taxiway.serve.fleet import Model, table
from taxiway.serve.lifecycle import Record, State
from taxiway.serve.source import DirectorySource, Observation
from taxiway.serve.tfserving.base_path import BasePath, Patience
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.stores import Made, Shelf, add_artifacts, open_store
from taxiway.testing.clock import FakeClock
from taxiway.testing.dataplane import FakeVersion
from taxiway.testing.stores import write_files
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("patient_looks")


def add(store: object, folder: Path, data: bytes) -> None:
    made = {"int8": Made(["int8.tflite"], {"agreement": 0.995})}
    add_artifacts(Shelf(open_store(str(store)), "m"), 1, "edge", write_files(folder, {"int8.tflite": data}), made)


def test_a_directory_shows_what_was_added_and_replaced(saved_model: Path, tmp_path: Path) -> None:
    publish(saved_model, "m", tmp_path / "models")
    source = DirectorySource(tmp_path / "models" / "m", 0.0, FakeClock(time.time()))
    assert source.look().found[0].artifacts == {}
    for data in (b"one", b"another"):
        add(tmp_path / "models", tmp_path / "built", data)
        found = source.look().found[0]
        entry = dict(found.artifacts["edge/int8.tflite"])
        assert (found.waiting, Path(entry.pop("path")).read_bytes()) == ("", data)
        entry.pop("sha256")
        assert entry == {
            "target": "edge", "variant": "int8", "bytes": len(data), "contract": {"agreement": 0.995}, "missing": "",
        }  # fmt: skip
    (tmp_path / "models" / "m" / "1" / "taxiway.json").write_text("{}")
    assert source.look().found[0].artifacts == {}


def test_a_buckets_artefacts_are_brought_when_they_come_and_go(gcs: str, saved_model: Path, tmp_path: Path) -> None:
    publish(saved_model, "m", gcs)
    add(gcs, tmp_path / "built", b"one")
    clock = FakeClock(time.time())
    cache = Cache(tmp_path / "cache", clock)
    source = StoreSource(f"{gcs}/m", ServerSettings(store_poll_seconds=1.0), cache, clock)

    def brought(data: bytes) -> bool:
        clock.advance(1.0)
        (entry,) = source.look().found[0].artifacts.values()
        return bool(entry["path"]) and Path(entry["path"]).read_bytes() == data and entry["missing"] == ""

    assert source.look().found[0].artifacts == {}, "nothing is known before it is pulled"
    # The thread of that look goes on to bring artefacts of what was pulled, which is nothing yet.
    eventually(lambda: not any(one.name == "taxiway-look" for one in threading.enumerate()))
    assert not list(Path(cache.bring(f"{gcs}/m/1")).glob("artifacts/*"))
    clock.advance(1.0)
    (entry,) = source.look().found[0].artifacts.values()
    assert entry["path"] is None and entry["missing"] == f"it is kept in {gcs}/m, and was not brought here yet"
    assert eventually(lambda: brought(b"one"))
    # Built again while the server runs: the next look knows it, and the former's bytes go.
    add(gcs, tmp_path / "built", b"another")
    assert eventually(lambda: brought(b"another"))
    assert eventually(lambda: len(list(Path(cache.bring(f"{gcs}/m/1")).glob("artifacts/edge/*"))) == 1)


def test_artefacts_that_are_damaged_in_the_bucket_are_said_once_and_those_before_stay(
    gcs: str, saved_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(saved_model, "m", gcs)
    clock = FakeClock(time.time())
    cache = Cache(tmp_path / "cache", clock)
    source = StoreSource(f"{gcs}/m", ServerSettings(store_poll_seconds=1.0), cache, clock)
    shelf = Shelf(open_store(gcs), "m")
    cache.bring(f"{gcs}/m/1")
    add(gcs, tmp_path / "built", b"one")
    stored = shelf.manifest(1).artifacts["artifacts/edge/int8.tflite"].stored
    shelf.store.remove(f"m/1/{stored}")
    shelf.store.write(f"m/1/{stored}", b"other")

    def said() -> list[str]:
        clock.advance(1.0)
        assert source.look().found[0].artifacts == {}
        return [one.message for one in caplog.records if "are not all here" in one.message]

    assert eventually(said)
    looks = len([one for one in range(3) if said()])
    assert looks == 3 and len(said()) == 1


def test_a_server_that_offers_none_brings_none(gcs: str, saved_model: Path, tmp_path: Path) -> None:
    publish(saved_model, "m", gcs)
    add(gcs, tmp_path / "built", b"one")
    clock = FakeClock(time.time())
    cache = Cache(tmp_path / "cache", clock)
    source = StoreSource(f"{gcs}/m", ServerSettings(store_poll_seconds=1.0, artifacts=False), cache, clock)
    local = Path(cache.bring(f"{gcs}/m/1"))
    clock.advance(1.0)
    source._bring_artifacts(source.look().found)
    assert not list(local.glob("artifacts/*"))


def test_the_table_has_those_of_versions_that_serve(saved_model: Path, tmp_path: Path) -> None:
    for _ in range(2):
        publish(saved_model, "m", tmp_path / "models")
    add(tmp_path / "models", tmp_path / "built", b"one")
    found = DirectorySource(tmp_path / "models" / "m", 0.0, SystemClock()).look().found
    model = Model("m", ModelSettings(source="m"), Observation(found))
    model.records = {1: Record(1, "", State.LOADING), 2: Record(2, "", State.AVAILABLE)}
    model.loaded = {n: FakeVersion(n, {"name": "m", "version": n}) for n in (1, 2)}
    assert "artifacts" not in table({"m": model})["models"]["m"]
    model.records[1] = Record(1, "", State.AVAILABLE)
    assert table({"m": model})["models"]["m"]["artifacts"] == {"1": found[0].artifacts}


def test_the_drop_in_offers_none(saved_model: Path, tmp_path: Path) -> None:
    publish(saved_model, "m", tmp_path / "models")
    add(tmp_path / "models", tmp_path / "built", b"one")
    source = BasePath("m", str(tmp_path / "models" / "m"), Patience(0.0, 0.0), SystemClock())
    assert [(one.version, one.artifacts) for one in source.look().found] == [(1, {})]
