"""REST, byte for byte where clients have come to read bytes."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.running import Server
from tests.waiting import PATIENCE_SECONDS


@pytest.mark.tfs(
    "answer-layout", "answer-row", "answer-column", "rest-gzip-answer", "rest-content-type-out", "real-curl"
)
def test_an_answer_is_laid_out_as_it_was(served: Server) -> None:
    answer = served.post("half_plus_two:predict", {"instances": [2.0, 3.0]})
    assert answer.content == b'{\n    "predictions": [3.0, 3.5\n    ]\n}'
    assert answer.headers["content-type"] == "application/json"
    assert "content-encoding" not in answer.headers  # although requests offers gzip
    assert served.post("half_plus_two:predict", {"inputs": [2.0]}).content == b'{\n    "outputs": [3.0]\n}'
    answer = served.post("functions:predict", {"signature_name": "two", "instances": [{"a": 3, "b": 1}]})
    assert answer.json() == {"predictions": [{"sum": 4.0, "difference": 2.0}]}
    answer = served.post("functions:predict", {"signature_name": "two", "inputs": {"a": [3], "b": [1], "c": 0}})
    assert answer.json() == {"outputs": {"sum": [4.0], "difference": [2.0]}}


@pytest.mark.tfs("status-body", "url-status", "rest-api-paths")
def test_a_status_is_laid_out_as_it_was(served: Server) -> None:
    expected = """{
 "model_version_status": [
  {
   "version": "123",
   "state": "AVAILABLE",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  }
 ]
}
"""
    for path in ("half_plus_two", "half_plus_two/versions/123", "half_plus_two/labels/none"):
        assert served.get(f"/v1/models/{path}").text == expected
    assert served.get("/V1/MODELS/half_plus_two").text == expected


@pytest.mark.tfs("url-no-name")
def test_there_is_no_list_of_models(served: Server) -> None:
    for path in ("/v1/models", "/v1/models/versions/1"):
        answer = served.get(path)
        assert (answer.status_code, answer.json()) == (400, {"error": "Missing model name in request."})


@pytest.mark.tfs("metadata-body", "url-metadata")
def test_metadata_describe_every_signature(served: Server) -> None:
    answer = served.get("/v1/models/half_plus_two/versions/123/metadata").json()
    assert answer["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    (key,) = answer["metadata"]
    definitions = answer["metadata"][key]["signature_def"]

    def info(name: str, dtype: str, *sizes: str) -> dict[str, Any]:
        dims = [{"size": size, "name": ""} for size in sizes]
        return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": name}

    assert (key, len(definitions)) == ("signature_def", 6)
    assert definitions["serving_default"] == {
        "inputs": {"x": info("x:0", "DT_FLOAT", "-1", "1")},
        "outputs": {"y": info("y:0", "DT_FLOAT", "-1", "1")},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    assert definitions["regress_x_to_y"]["inputs"] == {"inputs": info("tf_example:0", "DT_STRING", "-1")}


@pytest.mark.tfs("url-trace", "url-malformed", "url-options")
def test_methods_that_are_not_served(served: Server) -> None:
    path = served.url("/v1/models/half_plus_two")
    for method in ("PUT", "DELETE", "PATCH"):
        answer = served.session.request(method, path, timeout=PATIENCE_SECONDS)
        expected = {"error": f"Malformed request: {method} /v1/models/half_plus_two"}
        assert (answer.status_code, answer.json()) == (400, expected)
    assert served.session.head(path, timeout=PATIENCE_SECONDS).status_code == 400
    for method in ("TRACE", "CONNECT"):
        with socket.create_connection(("127.0.0.1", served.rest_port), PATIENCE_SECONDS) as raw:
            raw.sendall(f"{method} /v1/models/half_plus_two HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            assert raw.recv(64).split()[1] in (b"501", b"400"), method
    asked = served.session.options(path, headers={"Origin": "https://a.example"}, timeout=PATIENCE_SECONDS)
    assert (asked.status_code, asked.content) == (200, b"")


@pytest.mark.tfs("rest-gzip", "rest-gzip-broken", "rest-content-type-in")
def test_bodies_may_be_gzipped_and_of_any_type(served: Server) -> None:
    body = json.dumps({"instances": [2.0]}).encode()
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    assert served.post("half_plus_two:predict", gzip.compress(body), headers=headers).json() == {"predictions": [3.0]}
    answer = served.post("half_plus_two:predict", b"no gzip", headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "JSON Parse error: The document is empty"})


@pytest.mark.tfs("rest-body-size", "grpc-size")
def test_large_requests_and_answers_pass(served: Server) -> None:
    rows = [1.0] * 1_000_000
    answer = served.post("half_plus_two:predict", {"instances": rows})
    assert (answer.status_code, len(answer.json()["predictions"])) == (200, len(rows))
    output = served.predict("half_plus_two", x=rows + rows).outputs["y"]
    assert len(output.float_val) == 2 * len(rows)


TYPES: dict[str, list[Any]] = {
    "f": [1.5, -2.0], "d": [0.1, 1e300], "i8": [-128, 127], "i16": [-32768, 32767], "i32": [-2147483648, 1],
    "i64": [-9223372036854775808, 9223372036854775807], "u8": [0, 255], "u32": [0, 4294967295],
    "u64": [0, 18446744073709551615], "b": [True, False], "s": ["a", "é\n"],
}  # fmt: skip


@pytest.mark.tfs("dtype-bool", "dtype-floats", "dtype-small-ints", "dtype-wide-ints", "dtype-string")
def test_every_type_comes_back_as_it_was_sent(served: Server) -> None:
    asked = {"signature_name": "types", "inputs": TYPES}
    assert served.post("functions:predict", asked).json() == {"outputs": TYPES}
    rows = [{name: values[row] for name, values in TYPES.items()} for row in range(2)]
    assert served.post("functions:predict", {**asked, "inputs": None, "instances": rows}).status_code == 400
    answer = served.post("functions:predict", {"signature_name": "types", "instances": rows}).json()
    assert answer == {"predictions": rows}


@pytest.mark.parametrize(
    ("name", "value", "shown", "type"),
    [("b", 1, "1 Type: Number", "bool"), ("b", "true", '"true" Type: String', "bool"),
     ("i32", 1.0, "1.0 Type: Number", "int32"), ("s", 1, "1 Type: Number", "string"), ("f", True, "true Type: True", "float")],
)  # fmt: skip
@pytest.mark.tfs("dtype-bool", "err-json-type")
def test_values_of_other_types_are_refused(served: Server, name: str, value: Any, shown: str, type: str) -> None:
    asked = {"signature_name": "types", "inputs": {**TYPES, name: [value, value]}}
    answer = served.post("functions:predict", asked)
    expected = f"JSON Value: {shown} is not of expected type: {type}"
    assert (answer.status_code, answer.json()) == (400, {"error": expected})


@pytest.mark.tfs("answer-bytes", "dtype-string")
def test_strings_that_are_bytes_are_base64(served: Server) -> None:
    asked = {"signature_name": "text", "instances": [{"b64": "aGk="}, "x"]}
    expected = [{"plain": "hi", "same_bytes": {"b64": "aGk="}}, {"plain": "x", "same_bytes": {"b64": "eA=="}}]
    assert served.post("functions:predict", asked).json() == {"predictions": expected}


@pytest.mark.parametrize(
    ("signature", "body", "status", "text"),
    [
        pytest.param("scalar", {"instances": [1, 2]}, 400, "Tensor name: total has no shape information ",
                     marks=pytest.mark.tfs("answer-scalar")),
        pytest.param("uneven", {"instances": [1, 2]}, 400, "Tensor name: one has inconsistent batch size: 1 expecting: 2",
                     marks=pytest.mark.tfs("answer-sizes")),
        pytest.param("half", {"inputs": [1]}, 501, "Conversion of JSON Value: 1 to type: half",
                     marks=pytest.mark.tfs("err-dtype")),
        pytest.param("to_half", {"inputs": [1]}, 400, "Failed to write JSON value for tensor type: half",
                     marks=pytest.mark.tfs("answer-dtype")),
        pytest.param("matrix", {"instances": [[1, 2, 3]]}, 400, "Matrix size-incompatible: In[0]: [1,3], In[1]: [2,1]",
                     marks=pytest.mark.tfs("err-graph")),
        pytest.param("absent", {"instances": [1]}, 400, 'Serving signature name: "absent" not found in signature def',
                     marks=pytest.mark.tfs("err-unknown-signature")),
    ],
)  # fmt: skip
def test_what_a_real_graph_cannot_do(served: Server, signature: str, body: Any, status: int, text: str) -> None:
    answer = served.post("functions:predict", {"signature_name": signature, **body})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text), answer.text


@pytest.mark.tfs("err-timeout")
def test_a_run_that_takes_too_long_is_given_up(models: Path, start: Callable[..., Server]) -> None:
    """On a server of its own: in so short a time a busy machine would not answer every other test."""
    flags = ("--model_name=functions", f"--model_base_path={models / 'functions'}", "--rest_api_timeout_in_ms=1000")
    answer = start(*flags).post("functions:predict", {"signature_name": "spin", "instances": [1e15]})
    assert answer.status_code == 504
    assert answer.json()["error"].startswith("Timed out waiting for notification"), answer.text


@pytest.mark.tfs("answer-numbers", "json-numbers")
def test_numbers_are_written_as_they_were(served: Server) -> None:
    body = '{"signature_name": "custom", "instances": [-1.9, 8999998, NaN, -Infinity, 1e-5, 0.1, 1e40]}'
    written = served.post("functions:predict", body).text
    assert written == ('{\n    "predictions": [0.1, 9e+06, NaN, -Infinity, 2.00001, 2.1, Infinity\n    ]\n}').replace(
        "0.1, 9e", "0.100000024, 9e"
    )
