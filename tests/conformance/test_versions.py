"""Versions come, go and are replaced, as the directories say; no request is lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taxiway.wire import message
from tests.conformance.running import Refusal, Server, models_config, put
from tests.waiting import eventually

# A run of some seconds, on a busy machine of a minute.
SPIN_SECONDS = 300


def broken(base: Path, version: int) -> None:
    """A version whose graph cannot be read."""
    staging = base.parent / f".{base.name}-{version}"
    staging.mkdir()
    (staging / "saved_model.pb").write_bytes(b"this is no graph")
    staging.rename(base / str(version))


@pytest.mark.tfs("transition-failed", "transition-order", "status-failed", "load-retries", "status-order")
def test_a_new_version_that_fails_leaves_the_old_one(
    models: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    base = put(models, "half_plus_two", 123, tmp_path / "half", 1)
    server = start("--model_name=half", f"--model_base_path={base}", "--max_num_load_retries=0")
    broken(base, 2)
    eventually(lambda: server.states("half") == {2: "END", 1: "AVAILABLE"})
    newest, oldest = server.get("/v1/models/half").json()["model_version_status"]
    assert (newest["version"], newest["state"], oldest["status"]["error_code"]) == ("2", "END", "OK")
    assert newest["status"]["error_code"] != "OK" and newest["status"]["error_message"]
    assert server.predicted("half", 2.0) == [3.0]
    put(models, "half_plus_three", 123, base, 3)
    eventually(lambda: server.predicted("half", 2.0) == [4.0])
    eventually(lambda: server.states("half") == {3: "AVAILABLE", 2: "END", 1: "END"})
    assert server.predicted("half/versions/1", 2.0) == "Servable not found for request: Specific(half, 1)"


@pytest.mark.tfs("vanish-version", "vanish-all", "vanish-return", "policy-latest-n")
def test_what_vanishes_is_unloaded(models: Path, tmp_path: Path, start: Callable[..., Server]) -> None:
    base = tmp_path / "half"
    for number in (1, 2, 3):
        put(models, "half_plus_two", 123, base, number)
    policy = "model_version_policy { latest { num_versions: 2 } }"
    config = models_config(tmp_path / "models.config", half=f'"{base}" {policy}')
    server = start(f"--model_config_file={config}")
    eventually(lambda: server.states("half") == {3: "AVAILABLE", 2: "AVAILABLE"})
    shutil.rmtree(base / "3")
    eventually(lambda: server.states("half") == {3: "END", 2: "AVAILABLE", 1: "AVAILABLE"})
    assert server.predicted("half", 2.0) == [3.0]
    for number in (1, 2):
        shutil.rmtree(base / str(number))
    eventually(lambda: set(server.states("half").values()) == {"END"})
    assert server.predicted("half", 2.0) == "Servable not found for request: Latest(half)"
    put(models, "half_plus_three", 123, base, 3)
    eventually(lambda: server.predicted("half", 2.0) == [4.0])


@pytest.mark.tfs("load-cancelled")
def test_a_version_that_is_no_longer_wanted_is_not_tried_again(
    models: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    base = put(models, "half_plus_two", 123, tmp_path / "half", 1)
    flags = ("--max_num_load_retries=1000000", "--load_retry_interval_micros=100000")
    server = start("--model_name=half", f"--model_base_path={base}", *flags)
    broken(base, 2)
    eventually(lambda: server.states("half").get(2) == "LOADING")
    shutil.rmtree(base / "2")
    eventually(lambda: server.states("half").get(2, "END") == "END")
    assert server.predicted("half", 2.0) == [3.0]


@pytest.mark.tfs("unload-running", "transition-order")
def test_a_request_that_runs_while_its_version_leaves_is_answered(
    models: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    base = put(models, "functions", 1, tmp_path / "spin", 1)
    server = start("--model_name=spin", f"--model_base_path={base}", f"--rest_api_timeout_in_ms={SPIN_SECONDS * 1000}")
    body = {"signature_name": "spin", "instances": [3e6]}
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(server.post, "spin:predict", body, timeout=SPIN_SECONDS)
        put(models, "functions", 1, base, 2)
        eventually(lambda: server.states("spin").get(2) == "AVAILABLE")
        assert running.result().json() == {"predictions": [3000000.0]}
    eventually(lambda: server.states("spin") == {2: "AVAILABLE", 1: "END"})


@pytest.mark.tfs("transition-order", "reload-replaces", "file-poll")
def test_no_request_fails_while_versions_replace_each_other(
    models: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    base = put(models, "half_plus_two", 123, tmp_path / "half", 1)
    server = start("--model_name=half", f"--model_base_path={base}")
    ended, answers = threading.Event(), []

    def ask() -> None:
        while not ended.is_set():
            answer = server.predict("half", x=[2.0])
            answers.append(answer if isinstance(answer, Refusal) else answer.outputs["y"].float_val[0])

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        eventually(lambda: answers)
        for number in (2, 3, 4):
            put(models, "half_plus_three" if number == 4 else "half_plus_two", 123, base, number)
            eventually(lambda number=number: server.states("half").get(number) == "AVAILABLE")  # type: ignore[misc]
        eventually(lambda: answers and answers[-1] == 4.0)
        ended.set()
        asking.result()
    assert set(answers) == {3.0, 4.0}


@pytest.mark.tfs("version-names", "version-twice", "policy-latest")
def test_numbers_with_zeros_are_versions_and_other_names_are_not(
    models: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    base = put(models, "half_plus_two", 123, tmp_path / "half")
    (base / "123").rename(base / "00000123")
    (base / "notes.txt").write_text("7")
    (base / "v124").mkdir()
    server = start("--model_name=half", f"--model_base_path={base}")
    assert server.states("half") == {123: "AVAILABLE"}


@pytest.mark.tfs("reload-replaces", "reload-failure", "reload-waits", "reload-metrics", "reload-kinds", "reload-empty")
def test_a_config_by_rpc_replaces_the_models(models: Path, tmp_path: Path, start: Callable[..., Server]) -> None:
    two, three = models / "half_plus_two", models / "half_plus_three"
    bad = tmp_path / "bad"
    bad.mkdir()
    broken(bad, 1)
    server = start("--model_name=two", f"--model_base_path={two}", "--max_num_load_retries=0")

    def reload(**paths: Path) -> object:
        request = message("tensorflow.serving.ReloadConfigRequest")()
        request.metric_names.append(":tensorflow:cc:saved_model:load_attempt_count")
        for name, path in paths.items():
            request.config.model_config_list.config.add(name=name, base_path=str(path), model_platform="tensorflow")
        return server.call("ModelService/HandleReloadConfigRequest", request)

    answer = reload(two=two, three=three)
    assert answer.status.error_code == 0  # type: ignore[attr-defined]
    assert (server.predicted("two", 2.0), server.predicted("three", 2.0)) == ([3.0], [4.0])
    refused = reload(two=two, three=three, bad=bad)
    assert isinstance(refused, Refusal) and refused.code == "UNKNOWN"
    assert refused.text.startswith("1 model(s) did not become available: {{{name: bad version: 1} due to error: ")
    assert server.predicted("three", 2.0) == [4.0]
    reload(three=three)
    eventually(lambda: server.predicted("two", 2.0) == "Servable not found for request: Latest(two)")
    empty = server.call("ModelService/HandleReloadConfigRequest", message("tensorflow.serving.ReloadConfigRequest")())
    assert isinstance(empty, Refusal) and empty.code == "INVALID_ARGUMENT"
    assert empty.text.startswith("ServerModelConfig type not supported by HandleReloadConfigRequest.")
