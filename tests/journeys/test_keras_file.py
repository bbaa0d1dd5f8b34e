"""A .keras file, published from the command line with Classify and Regress, asked over REST and gRPC."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

import taxiway
from taxiway.wire import messages

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

pytestmark = pytest.mark.tensorflow

# In a process of its own: TensorFlow in Python would be in the way of the data plane's library.
MAKE = """
import sys
import keras, numpy as np
from taxiway.cli.main import main

folder = sys.argv[1]
keras.utils.set_random_seed(1)
x, kind = keras.Input((3,), name="x"), keras.Input((), dtype="string", name="kind")
known = keras.layers.StringLookup(vocabulary=["low", "high"], output_mode="one_hot")(kind)
risk = keras.layers.Dense(1, "sigmoid", name="risk")(keras.layers.Concatenate()([x, known]))
model = keras.Model([x, kind], risk)
model.save(f"{folder}/model.keras")
rows = {"x": [[1.0, 2.0, 3.0], [0.0, 0.5, 0.0]], "kind": ["low", "other"]}
import json, tensorflow as tf
json.dump(rows, open(f"{folder}/rows.json", "w"))
answers = model.predict([np.array(rows["x"]), tf.constant(rows["kind"])], verbose=0)
np.save(f"{folder}/risk.npy", answers)
to = ["--store", f"{folder}/models", "--warm-up", f"{folder}/rows.json"]
sys.exit(main(["publish", f"{folder}/model.keras", "risk", *to, "--labels", "no, yes", "--regress", "--examples"]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("keras-file")
    ran = subprocess.run([sys.executable, "-c", MAKE, str(folder)], capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "serving_default: largest difference from predict: risk" in ran.stdout
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServeHandle]:
    with taxiway.serve(folder / "models") as handle:
        handle.wait_ready(timeout_seconds=120)
        yield handle


@pytest.fixture
def risk(folder: Path) -> Any:
    return np.load(folder / "risk.npy")


def over_rest(server: ServeHandle, call: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"{server.url}/v1/models/risk:{call}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def over_grpc(server: ServeHandle, call: str, request: Any, answer: Any) -> Any:
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        name = f"/tensorflow.serving.PredictionService/{call}"
        return channel.unary_unary(name, type(request).SerializeToString, answer.FromString)(request, timeout=30)


def test_classify_and_regress_answer_as_predict_over_both_protocols(
    server: ServeHandle, folder: Path, risk: Any
) -> None:
    rows = json.loads((folder / "rows.json").read_text())
    examples = [{"x": x, "kind": kind} for x, kind in zip(rows["x"], rows["kind"], strict=True)]
    classes = over_rest(server, "classify", {"signature_name": "classify", "examples": examples})["results"]
    assert [[name for name, _ in row] for row in classes] == [["no", "yes"]] * 2
    np.testing.assert_allclose([[score for _, score in row] for row in classes], np.hstack([1 - risk, risk]), atol=1e-6)
    numbers = over_rest(server, "regress", {"signature_name": "regress", "examples": examples})["results"]
    np.testing.assert_allclose(numbers, risk.ravel(), atol=1e-6)

    asked = messages.ClassificationRequest()
    asked.model_spec.name, asked.model_spec.signature_name = "risk", "classify"
    number = messages.RegressionRequest()
    number.model_spec.name, number.model_spec.signature_name = "risk", "regress"
    for row in examples:
        example = messages.Example()
        example.features.feature["x"].float_list.value.extend(row["x"])
        example.features.feature["kind"].bytes_list.value.append(row["kind"].encode())
        asked.input.example_list.examples.add().CopyFrom(example)
        number.input.example_list.examples.add().CopyFrom(example)
    found = over_grpc(server, "Classify", asked, messages.ClassificationResponse).result.classifications
    assert [[(one.label, round(one.score, 5)) for one in row.classes] for row in found] == [
        [(name, round(score, 5)) for name, score in row] for row in classes
    ]
    regressed = over_grpc(server, "Regress", number, messages.RegressionResponse).result.regressions
    np.testing.assert_allclose([one.value for one in regressed], risk.ravel(), atol=1e-6)


def test_raw_texts_go_in_and_the_predict_of_examples_agrees(server: ServeHandle, folder: Path, risk: Any) -> None:
    client = taxiway.Client(server.grpc_url)
    rows = json.loads((folder / "rows.json").read_text())
    np.testing.assert_allclose(client.predict("risk", rows)["risk"], risk, atol=1e-6)
    example = messages.Example()
    example.features.feature["x"].float_list.value.extend(rows["x"][0])
    example.features.feature["kind"].bytes_list.value.append(b"low")
    answer = client.predict("risk", [example.SerializeToString()], signature="examples")
    np.testing.assert_allclose(answer["risk"], risk[:1], atol=1e-6)
