"""A command line on the real control plane, with a data plane that only pretends to load."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from taxiway.clock import SystemClock
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, TaxiwayError, Unavailable
from taxiway.serve.tfserving.options import read_options
from taxiway.serve.tfserving.service import ModelServer
from taxiway.serve.tfserving.syntax import parse
from taxiway.settings import ModelSettings
from taxiway.testing import write_tflite
from taxiway.testing.dataplane import FakeDataPlane, FakeVersion
from taxiway.types import JsonObject
from taxiway.wire import message
from tests.waiting import PATIENCE_SECONDS, eventually

WAIT_SECONDS = float(PATIENCE_SECONDS)


class LaterClock(SystemClock):
    """A clock for which every file is old, so that no version has to become quiet first."""

    def now(self) -> float:
        return super().now() + 3600


class Plane(FakeDataPlane):
    """Loads what has no file called ``broken`` in it, and lets a test wait for a table."""

    def __init__(self, taken: bool = False) -> None:
        super().__init__()
        self.taken = taken
        self.started = threading.Event()
        self.changed = threading.Condition()

    def start(self) -> JsonObject:
        if self.taken:
            raise Unavailable("address in use")
        self.started.set()
        return {"rest": "127.0.0.1:8501", "grpc": "0.0.0.0:8500"}

    def load(self, spec: JsonObject) -> FakeVersion:
        if Path(spec["path"], "broken").exists():
            raise NotFound(f"nothing in {spec['path']}")
        return super().load(spec)

    def publish(self, table: JsonObject) -> None:
        with self.changed:
            super().publish(table)
            self.changed.notify_all()

    def shows(self, check: Callable[[JsonObject], bool]) -> bool:
        """Wait until a table passes the check."""
        with self.changed:
            return self.changed.wait_for(lambda: check(self.table), WAIT_SECONDS)


def put(base: Path, *versions: int, file: str = "saved_model.pb") -> Path:
    for version in versions:
        (base / str(version)).mkdir(parents=True)
        (base / str(version) / file).write_bytes(b"")
    return base


def spec(name: str, version: int, path: str, model: ModelSettings) -> dict[str, Any]:
    return {"name": name, "version": version, "path": path, "engine": model.engine, "tags": list(model.tags)}


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[ModelServer, Plane]]]:
    servers: list[ModelServer] = []

    def make(*flags: str, plane: Plane | None = None) -> tuple[ModelServer, Plane]:
        parsed = parse(["--load_retry_interval_micros=0", *flags])
        assert not parsed.unknown and not parsed.errors
        plane = plane or Plane()
        servers.append(ModelServer(read_options(parsed.values), plane, spec, LaterClock()))
        return servers[-1], plane

    yield make
    for server in servers:
        server.stop()


def config_text(**models: str) -> str:
    each = (f'config {{ name: "{n}" model_platform: "tensorflow" base_path: {rest} }}' for n, rest in models.items())
    return f"model_config_list {{ {' '.join(each)} }}"


def config(**models: str) -> Any:
    return text_format.Parse(config_text(**models), message("tensorflow.serving.ModelServerConfig")())


def written(tmp_path: Path, **models: str) -> str:
    path = tmp_path / "models.config"
    path.write_text(config_text(**models))
    return f"--model_config_file={path}"


Serve = Callable[..., tuple[ModelServer, Plane]]
STRICT = "--strict"  # without completeness checks: the versions here are empty files


@pytest.mark.tfs("start-ports")
def test_the_ports_open_when_the_model_serves(tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server, plane = serve(STRICT, f"--model_base_path={put(tmp_path / 'm', 1, 2)}", "--saved_model_tags=serve,x")
    assert server.start() == {"rest": "127.0.0.1:8501", "grpc": "0.0.0.0:8500"}
    table = plane.tables[-1]
    assert (table["models"]["default"]["default"], table["labels_used"]) == (2, True)
    assert [(one["version"], one["tags"]) for one in plane.specs] == [(2, ["serve", "x"])]
    assert plane.specs[0]["session"]["allow_soft_placement"] is True
    assert "Successfully loaded servable version {name: default version: 2}" in caplog.text
    assert "Running gRPC ModelServer at 0.0.0.0:8500 ..." in caplog.text
    assert "Exporting HTTP/REST API at:localhost:8501 ..." in caplog.text


def test_the_ports_stay_closed_while_no_version_is_there(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "m").mkdir()
    server, plane = serve(STRICT, f"--model_base_path={tmp_path / 'm'}", "--file_system_poll_wait_seconds=1")
    thread = threading.Thread(target=server.start)
    thread.start()
    assert plane.shows(lambda table: "default" in table["models"])
    assert not plane.started.is_set()
    put(tmp_path / "m", 1)
    assert plane.started.wait(WAIT_SECONDS)
    thread.join(WAIT_SECONDS)


@pytest.mark.tfs("start-failed")
def test_a_model_that_fails_ends_the_start(tmp_path: Path, serve: Serve) -> None:
    bad = put(tmp_path / "bad", 3, file="broken")
    models = {"good": f'"{put(tmp_path / "good", 1)}"', "bad": f'"{bad}"'}
    server, plane = serve(STRICT, written(tmp_path, **models), "--max_num_load_retries=2")
    reason = f"NOT_FOUND: nothing in {bad}/3"
    with pytest.raises(TaxiwayError) as caught:
        server.start()
    assert (caught.value.kind, caught.value.message) == (
        "UNKNOWN",
        f"1 servable(s) did not become available: {{{{{{name: bad version: 3}} due to error: {reason}}}, }}",
    )
    assert not plane.started.is_set()


def test_with_the_flag_the_others_serve(tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    models = {f"m{n}": f'"{put(tmp_path / f"m{n}", 1)}"' for n in range(9)}
    models["bad"] = f'"{put(tmp_path / "bad", 1, file="broken")}"'
    flags = ("--max_num_load_retries=0", "--start_with_failed_models")
    server, plane = serve(STRICT, written(tmp_path, **models), *flags)
    server.start()
    serving = {name for name, model in plane.tables[-1]["models"].items() if model["default"] == 1}
    assert serving == {f"m{n}" for n in range(9)}
    assert "1 servable(s) did not become available: {{{name: bad version: 1}" in caplog.text


def test_a_taken_port_is_tensorflow_servings_error(tmp_path: Path, serve: Serve) -> None:
    server, _ = serve(STRICT, f"--model_base_path={put(tmp_path / 'm', 1)}", plane=Plane(taken=True))
    with pytest.raises(InvalidArgument, match="^Failed to BuildAndStart gRPC server$"):
        server.start()


def test_a_reload_adds_and_removes(tmp_path: Path, serve: Serve) -> None:
    one, two = put(tmp_path / "one", 1), put(tmp_path / "two", 1)
    server, plane = serve(STRICT, written(tmp_path, one=f'"{one}"'))
    server.start()
    server.reloader.reload(config(two=f'"{two}"'))
    assert plane.tables[-1]["models"]["two"]["default"] == 1
    assert plane.shows(lambda table: "one" not in table["models"])


@pytest.mark.tfs("reload-metrics")
def test_a_reload_by_rpc_answers_with_the_increase_of_counters(tmp_path: Path, serve: Serve) -> None:
    one, two = put(tmp_path / "one", 1), put(tmp_path / "two", 1)
    server, plane = serve(STRICT, written(tmp_path, one=f'"{one}"'))
    server.start()
    request = message("tensorflow.serving.ReloadConfigRequest")(
        config=config(one=f'"{one}"', two=f'"{two}"'), metric_names=["loads", "other"]
    )
    assert plane.reload is not None
    answer = message("tensorflow.serving.ReloadConfigResponse").FromString(plane.reload(request.SerializeToString()))
    assert {one.name: one.int64_value_increase for one in answer.metric} == {"loads": 1, "other": 0}


def test_a_reload_with_a_broken_model_leaves_the_others(tmp_path: Path, serve: Serve) -> None:
    good, bad = put(tmp_path / "good", 1), put(tmp_path / "bad", 1, file="broken")
    server, plane = serve(
        written(tmp_path, good=f'"{good}" version_labels {{ key: "a" value: 1 }}'), "--max_num_load_retries=0"
    )
    for version in (good / "1", bad / "1"):
        write_tflite(version)
        (version / "saved_model.pb").unlink(missing_ok=True)
    server.start()
    loads = len(plane.specs)
    with pytest.raises(TaxiwayError, match="^1 model\\(s\\) did not become available: "):
        server.reloader.reload(config(bad=f'"{bad}"'))
    assert plane.shows(lambda table: list(table["models"]) == ["good"])
    assert plane.tables[-1]["models"]["good"]["labels"] == {"a": 1}
    assert len(plane.specs) == loads


def test_labels_are_seen_when_the_reload_returns(tmp_path: Path, serve: Serve) -> None:
    base = put(tmp_path / "m", 1, 2)
    policy = "model_version_policy { all {} }"
    server, plane = serve(STRICT, written(tmp_path, m=f'"{base}" {policy}'))
    server.start()
    assert plane.shows(lambda table: len(table["models"]["m"]["versions"]) == 2)
    server.reloader.reload(config(m=f'"{base}" {policy} version_labels {{ key: "a" value: 2 }}'))
    assert plane.tables[-1]["models"]["m"]["labels"] == {"a": 2}
    with pytest.raises(FailedPrecondition, match="version 9 of model m"):
        server.reloader.reload(config(m=f'"{base}" {policy} version_labels {{ key: "a" value: 9 }}'))
    assert plane.tables[-1]["models"]["m"]["labels"] == {"a": 2}


@pytest.mark.tfs("status-order")
def test_a_replaced_version_is_gone_and_listed_as_ended(tmp_path: Path, serve: Serve) -> None:
    base = put(tmp_path / "m", 1)
    server, plane = serve(STRICT, f"--model_base_path={base}")
    server.start()
    put(base, 2)
    assert plane.shows(lambda table: table["models"]["default"]["default"] == 2)
    assert plane.shows(
        lambda table: (
            [(s["version"], s["state"]) for s in table["models"]["default"]["statuses"]]
            == [(2, "AVAILABLE"), (1, "END")]
        )
    )


@pytest.mark.tfs("vanish-base")
def test_a_base_path_that_vanishes_stops_nothing(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = put(tmp_path / "one", 1), put(tmp_path / "two", 1)
    server, plane = serve(STRICT, written(tmp_path, one=f'"{one}"', two=f'"{two}"'))
    server.start()
    one.rename(tmp_path / "gone")
    put(two, 2)
    assert plane.shows(lambda table: table["models"]["two"]["default"] == 2)
    assert plane.tables[-1]["models"]["one"]["default"] == 1
    # The look that found the other one's version may have been past this one when it went.
    said = f"Could not find base path {one} for servable one with error No such file or directory"
    eventually(lambda: said in caplog.text, instead=lambda: caplog.text)
    assert plane.tables[-1]["models"]["one"]["default"] == 1


@pytest.mark.tfs("tflite-prefer", "flags-tflite")
def test_tflite_is_preferred_when_asked_for(tmp_path: Path, serve: Serve) -> None:
    base = put(tmp_path / "m", 1)
    (base / "1" / "model.tflite").write_bytes(b"")
    server, plane = serve(STRICT, f"--model_base_path={base}", "--prefer_tflite_model")
    server.start()
    assert plane.specs[0]["engine"] == "prefer_tflite"


@pytest.mark.tfs("tflite-prefer")
def test_the_saved_model_is_served_and_nothing_is_measured_otherwise(tmp_path: Path, serve: Serve) -> None:
    base = put(tmp_path / "m", 1)
    (base / "1" / "model.tflite").write_bytes(b"")
    server, plane = serve(STRICT, f"--model_base_path={base}")
    server.start()
    assert (plane.specs[0]["engine"], plane.specs[0]["shown"]) == ("prefer_tensorflow", [])


@pytest.mark.tfs("version-poll")
def test_looking_never_and_looking_once(tmp_path: Path, serve: Serve) -> None:
    base = put(tmp_path / "m", 1)
    server, plane = serve(STRICT, f"--model_base_path={base}", "--file_system_poll_wait_seconds=0")
    server.start()
    assert plane.tables[-1]["models"]["default"]["default"] == 1
    server, plane = serve(STRICT, f"--model_base_path={base}", "--file_system_poll_wait_seconds=-1")
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    assert plane.shows(lambda table: "default" in table["models"])
    assert not plane.specs and not plane.started.is_set()


@pytest.mark.tfs("vanish-return")
def test_a_model_that_comes_back_while_it_is_unloaded_serves_again(tmp_path: Path, serve: Serve) -> None:
    a, b = f'"{put(tmp_path / "a", 1)}"', f'"{put(tmp_path / "b", 1)}"'
    unloading, go_on = threading.Event(), threading.Event()

    class Slow(FakeVersion):
        def release(self, timeout_seconds: float) -> bool:
            unloading.set()
            return go_on.wait(WAIT_SECONDS)

    class SlowPlane(Plane):
        def load(self, spec: JsonObject) -> FakeVersion:
            version = super().load(spec)
            version.__class__ = Slow
            return version

    server, plane = serve(STRICT, written(tmp_path, a=a, b=b), plane=SlowPlane())
    server.start()
    server.reloader.reload(config(a=a))
    assert unloading.wait(WAIT_SECONDS)
    reload = threading.Thread(target=server.reloader.reload, args=[config(a=a, b=b)], daemon=True)
    reload.start()
    assert plane.shows(lambda table: [s["state"] for s in table["models"]["b"]["statuses"]] == ["UNLOADING"])
    go_on.set()
    reload.join(WAIT_SECONDS)
    assert not reload.is_alive()
    assert plane.tables[-1]["models"]["b"]["default"] == 1


def test_a_thousand_reloads_leave_nothing_behind(tmp_path: Path, serve: Serve) -> None:
    a, b = f'"{put(tmp_path / "a", 1)}"', f'"{put(tmp_path / "b", 1)}"'
    server, plane = serve(STRICT, written(tmp_path, a=a))
    server.start()
    for _ in range(500):
        server.reloader.reload(config(a=a, b=b))
        server.reloader.reload(config(a=a))
        plane.tables[:] = plane.tables[-1:]
    assert all(table["models"]["a"]["default"] == 1 for table in plane.tables)
    assert plane.shows(lambda table: list(table["models"]) == ["a"])
    assert sum(one["name"] == "a" for one in plane.specs) == 1
    assert len(server._loop._models) == 1
