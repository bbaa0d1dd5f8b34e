"""A device keeps the artefact of the version that is labelled stable, from a server that goes on."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import pytest

import taxiway
from taxiway.stores import Made, Shelf, add_artifacts, open_store, set_label
from taxiway.testing.stores import write_files
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(300)


def fetched(url: str, **headers: str) -> tuple[int, bytes, Message]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_a_device_fetches_stable(tmp_path: Path, exported: Path) -> None:
    for version in (1, 2):
        taxiway.publish(exported / str(version), "m", tmp_path / "models")
    shelf = Shelf(open_store(tmp_path / "models"), "m")
    # Named as what the LiteRT engine looks for in a version: beside the graph it is still an artefact and no model.
    made = {"int8": Made(["model.tflite"], {"agreement": 0.995})}

    def build(version: int, data: bytes) -> None:
        source = write_files(tmp_path / "built", {"model.tflite": data})
        add_artifacts(shelf, version, "edge", source, made)

    set_label(shelf, "stable", 1)
    build(1, b"first")
    with taxiway.serve(tmp_path / "models", poll_seconds=0.05) as server:
        model = f"{server.url}/v1/models/m"
        url = f"{model}/labels/stable/artifacts/edge/model.tflite"
        assert eventually(lambda: fetched(url)[0] == 200)
        _, body, headers = fetched(url)
        assert (body, headers["x-taxiway-version"]) == (b"first", "1")
        status, nothing, _ = fetched(url, If_None_Match=headers["etag"])
        assert (status, nothing) == (304, b"")

        build(1, b"built again")
        assert eventually(lambda: fetched(url, If_None_Match=headers["etag"])[:2] == (200, b"built again"))
        assert fetched(url, Range="bytes=6-")[:2] == (206, b"again")

        assert fetched(f"{model}/versions/2/artifacts/edge/model.tflite")[0] == 404
        build(2, b"second")
        set_label(shelf, "stable", 2)
        assert eventually(lambda: fetched(url)[:2] == (200, b"second"))
        assert fetched(url)[2]["x-taxiway-version"] == "2"
        # Damaged where it lies, it has its length still; put right, it is sent again.
        stored = next((tmp_path / "models" / "m" / "2").rglob("model.tflite"))
        stored.write_bytes(b"sec0nd")
        status, body, _ = fetched(url)
        assert status == 500 and "is not what the manifest lists, and is not sent" in json.loads(body)["error"]
        # Another file: two changes of one within a tick of the clock of files look like one.
        (tmp_path / "sound").write_bytes(b"second")
        (tmp_path / "sound").rename(stored)
        assert fetched(url)[:2] == (200, b"second")
        listed = json.loads(fetched(f"{model}/labels/stable/artifacts")[1])
        assert [(one["name"], one["contract"]) for one in listed["artifacts"]] == [
            ("edge/model.tflite", {"agreement": 0.995})
        ]
        status, body, _ = fetched(f"{model}/labels/stable/artifacts/..%2Fsaved_model.pb")
        assert (status, json.loads(body)["error"].split(";")[0]) == (
            404, "Model m version 2 has no artefact ../saved_model.pb",
        )  # fmt: skip
        # All the while the graph answered.
        answer = taxiway.Client(server.url).predict("m", {"x": [0.0]})
        assert (answer.version, answer["y"].tolist()) == (2, [2.0])
        assert server.status()[0]["versions"][0]["engine"] == "tensorflow"
