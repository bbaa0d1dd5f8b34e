"""The client against the real server: a model of many dtypes, published by Taxiway, answers both protocols alike."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import taxiway
from taxiway.errors import DeadlineExceeded, InvalidArgument, NotFound, TaxiwayError, Unavailable, Unimplemented

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[2]
MAKE = """
import sys
import numpy as np
import tensorflow as tf
import taxiway

class Echo(tf.Module):
    pass

module = Echo()
module.both = tf.function(
    lambda float32, float64, int32, int64, uint8, bool, text: {
        "float32": float32, "float64": float64, "int32": int32, "int64": int64, "uint8": uint8, "bool": bool,
        "text_bytes": text,
    },
    input_signature=[
        tf.TensorSpec([None, 2], dtype, name)
        for name, dtype in [("float32", "float32"), ("float64", "float64"), ("int32", "int32"), ("int64", "int64"),
                            ("uint8", "uint8"), ("bool", "bool"), ("text", "string")]
    ],
)
module.narrow = tf.function(
    lambda float16, bfloat16, complex64: {"float16": float16, "bfloat16": bfloat16, "complex64": complex64},
    input_signature=[tf.TensorSpec([None, 2], dtype, dtype) for dtype in ("float16", "bfloat16", "complex64")],
)
taxiway.publish(
    module, "echo", sys.argv[1], signatures={"serving_default": module.both, "narrow": module.narrow},
    warm_up={"serving_default": [{
        "float32": [[1.5, 2]], "float64": [[1.5, 2]], "int32": [[1, 2]], "int64": [[1, 2]], "uint8": [[1, 2]],
        "bool": [[True, False]], "text": [["a", b"\\xff"]],
    }]},
)
"""
INPUTS: dict[str, Any] = {
    "float32": np.array([[1.1, -0.0], [np.inf, 1e-40]], np.float32),
    "float64": np.array([[0.1, np.pi], [1e300, -np.inf]]),
    "int32": np.array([[1, -(1 << 31)]] * 2, np.int32),
    "int64": np.array([[1 << 62, -(1 << 63)]] * 2),
    "uint8": np.array([[0, 255]] * 2, np.uint8),
    "bool": np.array([[True, False]] * 2),
    "text": np.array([["é", b"\xff\x00"], ["", "日本"]], object),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeHandle]:
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
    store = tmp_path_factory.mktemp("client") / "models"
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    subprocess.run(
        [sys.executable, "-c", MAKE, str(store)], env={**os.environ, "PYTHONPATH": path}, check=True, timeout=240
    )
    with taxiway.serve(store, poll_seconds=0.05) as handle:
        yield handle


@pytest.fixture(params=["url", "grpc_url"])
def client(request: pytest.FixtureRequest, served: ServeHandle) -> Iterator[taxiway.Client]:
    with taxiway.Client(getattr(served, request.param)) as client:
        yield client


def test_every_value_comes_back_as_it_was_sent(client: taxiway.Client) -> None:
    answer = client.predict("echo", INPUTS, request_id="journey-1")
    assert (answer.version, answer.request_id) == (1, "journey-1")
    for name, sent in INPUTS.items():
        if name == "text":
            expected = [["é".encode(), b"\xff\x00"], [b"", "日本".encode()]]
            assert answer["text_bytes"].tolist() == expected
        else:
            assert answer[name].dtype == sent.dtype
            assert answer[name].tobytes() == sent.tobytes(), name


def test_what_json_cannot_carry_goes_by_grpc(served: ServeHandle) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    inputs = {
        "float16": np.array([[1.5, 2]], np.float16),
        "bfloat16": np.array([[1.5, 2]], ml_dtypes.bfloat16),
        "complex64": np.array([[1 + 2j, 3]], np.complex64),
    }
    answer = taxiway.Client(served.grpc_url).predict("echo", inputs, signature="narrow")
    assert {name: array.dtype for name, array in answer.items()} == {name: one.dtype for name, one in inputs.items()}
    assert all((answer[name] == inputs[name]).all() for name in inputs)
    with pytest.raises((Unimplemented, InvalidArgument)):
        taxiway.Client(served.url).predict("echo", inputs, signature="narrow")


def test_an_empty_batch(client: taxiway.Client) -> None:
    answer = client.predict("echo", {name: array[:0] for name, array in INPUTS.items()})
    assert {array.shape for array in answer.values()} == {(0, 2)}


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ({"model": "other"}, NotFound),
        ({"version": 9}, NotFound),
        ({"label": "stable"}, Unavailable),
        ({"inputs": {"float32": [[1, 2]]}}, InvalidArgument),
        ({"timeout_seconds": 1e-6}, DeadlineExceeded),
    ],
)
def test_errors_have_one_kind_over_both(client: taxiway.Client, call: dict[str, Any], kind: type[TaxiwayError]) -> None:
    arguments: dict[str, Any] = {"model": "echo", "inputs": INPUTS, **call}
    with pytest.raises(kind):
        client.predict(arguments.pop("model"), arguments.pop("inputs"), **arguments)
    assert client.predict("echo", INPUTS).version == 1


def test_status_and_metadata(client: taxiway.Client, served: ServeHandle) -> None:
    assert [(one.version, one.state) for one in client.status("echo")] == [(1, "AVAILABLE")]
    signatures = client.metadata("echo").signatures
    assert set(signatures) >= {"serving_default", "narrow"}
    assert signatures["serving_default"].inputs["float64"].dtype_name == "float64"
    assert taxiway.Client(served.url).models() == ("echo",)
