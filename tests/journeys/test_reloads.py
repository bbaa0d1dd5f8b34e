"""Configs that come and go for a long time, under load."""

from __future__ import annotations

import http.client
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from taxiway.clock import SystemClock
from taxiway.serve.server import NativeDataPlane, load_spec
from taxiway.serve.tfserving.options import read_options
from taxiway.serve.tfserving.service import ModelServer
from taxiway.serve.tfserving.syntax import parse
from taxiway.serve.tfserving.translate import server_settings
from taxiway.wire import message
from tests.journeys.conftest import put
from tests.waiting import free_port


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(900)
def test_a_thousand_reloads_under_load_fail_no_request_and_keep_no_memory(tmp_path: Path, exported: Path) -> None:
    put(exported, tmp_path / "stays", 1)
    put(exported, tmp_path / "comes", 2)

    def listed(*names: str) -> Any:
        config = message("tensorflow.serving.ModelServerConfig")()
        for name in names:
            config.model_config_list.config.add(name=name, base_path=str(tmp_path / name), model_platform="tensorflow")
        return config

    file, port = tmp_path / "models.config", free_port()
    file.write_text(text_format.MessageToString(listed("stays")))
    flags = [f"--model_config_file={file}", f"--port={free_port()}", f"--rest_api_port={port}", "--host=127.0.0.1"]
    options = read_options(parse(flags).values)
    settings = server_settings(options)
    server = ModelServer(options, NativeDataPlane(settings), load_spec(settings), SystemClock())
    server.start()
    done, statuses = threading.Event(), Counter[int]()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not done.is_set():
            connection.request("POST", "/v1/models/stays:predict", b'{"instances": [0.0]}')
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(100):
            server.reloader.reload(listed("stays", "comes"))
            server.reloader.reload(listed("stays"))
        before_mb = resident_mb()
        for _ in range(400):
            server.reloader.reload(listed("stays", "comes"))
            server.reloader.reload(listed("stays"))
        after_mb = resident_mb()
    finally:
        done.set()
        for thread in threads:
            thread.join()
        server.stop()
    assert set(statuses) == {200} and statuses[200] > 1000
    assert after_mb - before_mb < 20
