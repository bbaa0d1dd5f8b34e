"""What of a version's artefacts is offered for download, as the sources and the table have it."""

from __future__ import annotations

import time
from pathlib import Path

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


def test_a_bucket_says_that_its_servers_do_not_have_them(
    gcs: str,
    saved_model: Path,
    tmp_path: Path,
) -> None:
    publish(saved_model, "m", gcs)
    add(gcs, tmp_path / "built", b"one")
    clock = FakeClock(time.time())
    cache = Cache(tmp_path / "cache", clock)
    source = StoreSource(f"{gcs}/m", ServerSettings(store_poll_seconds=1.0), cache, clock)
    assert source.look().found[0].artifacts == {}, "nothing is known before it is pulled"
    assert not list(Path(cache.bring(f"{gcs}/m/1")).glob("artifacts/*"))
    clock.advance(1.0)
    (entry,) = source.look().found[0].artifacts.values()
    assert entry["path"] is None and entry["missing"] == f"it is kept in {gcs}/m, and servers leave artefacts there"


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
