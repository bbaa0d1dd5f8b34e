"""What every protocol of the client does alike: each test runs over REST and over gRPC."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from taxiway import errors
from taxiway.client import Client, VersionStatus
from tests.unit.client.conftest import Model, busy
from tests.waiting import PATIENCE_SECONDS

X = np.array([[1, 2], [3, 4]], np.float32)
SAID = ["hé", b"\xff\x00"]


def test_arrays_come_back_with_the_signatures_dtypes(client: Client) -> None:
    answer = client.predict("m", {"x": X, "said": SAID}, request_id="mine-7")
    assert (answer.model, answer.version, answer.request_id) == ("m", 3, "mine-7")
    assert {name: array.dtype.name for name, array in answer.items()} == {
        "half": "float32",
        "count": "int64",
        "said_bytes": "object",
    }
    assert (answer["half"] == X / 2).all()
    assert answer["said_bytes"].tolist() == ["hé!".encode(), b"\xff\x00!"]


def test_an_id_is_made_when_none_is_given(client: Client) -> None:
    assert client.predict("m", {"x": X, "said": SAID}).request_id == "new-1"


def test_lists_and_wider_numbers_become_what_the_model_takes(client: Client) -> None:
    for x in (X.astype(np.float64), [[1, 2], [3, 4]], X.astype(np.int64)):
        assert client.predict("m", {"x": x, "said": SAID})["half"].dtype == np.float32


def test_one_input_needs_no_name_and_one_output_is_an_array(client: Client) -> None:
    answer = client.predict("m", np.array([[1, 2, 3]]), signature="double")
    assert answer["y"].tolist() == [[2, 4, 6]]
    assert answer["y"].dtype == np.int32


def test_an_empty_batch_keeps_its_shape(client: Client) -> None:
    answer = client.predict("m", np.zeros((0, 3), np.int32), signature="double")
    assert answer["y"].shape == (0, 3)


def test_some_outputs_only(client: Client) -> None:
    assert list(client.predict("m", {"x": X, "said": SAID}, outputs=["half"])) == ["half"]
    with pytest.raises(errors.InvalidArgument, match=r"not found in signature: z Outputs .* \{count,half,said_bytes\}"):
        client.predict("m", {"x": X, "said": SAID}, outputs=["z"])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"x": np.array([[1.5, "a"]], object), "said": SAID}, "'x' is object, and the model takes float32"),
        ({"x": np.array([["1", "2"]]), "said": SAID}, "'x' is <U1"),
        ({"x": np.array([[1j, 2]]), "said": SAID}, "'x' is complex128"),
        ({"x": [[1, 2], [3]], "said": SAID}, "'x' is ragged"),
        ({"x": X, "said": [1, 2]}, "'said' takes strings: 1 is neither"),
        ({"x": X, "sad": SAID}, "'sad' is no input"),
        (X, "has 2 inputs, so each value needs its name"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_sent(
    client: Client, model: Model, inputs: object, said: str
) -> None:
    with pytest.raises(errors.InvalidArgument, match=said):
        client.predict("m", inputs)
    assert model.predict_calls == 0


def test_numbers_that_would_wrap_are_refused(client: Client) -> None:
    with pytest.raises(errors.InvalidArgument, match="int64, and the model takes int32"):
        client.predict("m", np.array([[1, 2, 1 << 40]]), signature="double")


def test_kinds_of_errors_are_the_servers(client: Client, model: Model) -> None:
    with pytest.raises(errors.NotFound, match=r"Servable not found for request: Latest\(other\)"):
        client.predict("other", X)
    with pytest.raises(errors.InvalidArgument, match="Matrix size-incompatible"):
        client.predict("m", {"x": X[:, :1], "said": SAID})
    model.faults = [errors.ResourceExhausted("over a limit")]
    with pytest.raises(errors.ResourceExhausted, match="over a limit"):
        client.predict("m", {"x": X, "said": SAID})
    with pytest.raises(errors.InvalidArgument, match='"nope" not found in signature def'):
        client.predict("m", X, signature="nope")


def test_a_call_turned_away_is_made_again(client: Client, model: Model) -> None:
    model.faults = [busy(), busy()]
    assert client.predict("m", {"x": X, "said": SAID}).version == 3
    assert model.predict_calls == 3


def test_it_gives_up_after_its_retries(url: str, model: Model) -> None:
    model.faults = [busy() for _ in range(9)]
    with Client(url, retries=1) as client, pytest.raises(errors.Unavailable, match="too many requests"):
        client.predict("m", {"x": X, "said": SAID})
    assert model.predict_calls == 2


@pytest.mark.parametrize("fault", [errors.Internal("x"), errors.DeadlineExceeded("x"), errors.ResourceExhausted("x")])
def test_what_was_worked_on_is_never_asked_again(client: Client, model: Model, fault: errors.TaxiwayError) -> None:
    model.faults = [fault]
    with pytest.raises(type(fault)):
        client.predict("m", {"x": X, "said": SAID})
    assert model.predict_calls == 1


def test_a_server_that_does_not_answer_is_a_deadline(client: Client, model: Model) -> None:
    client.metadata("m")
    model.hang = threading.Event()
    with pytest.raises(errors.DeadlineExceeded, match=r"did not answer within 0\.2 s"):
        client.predict("m", {"x": X, "said": SAID}, timeout_seconds=0.2)
    # Not again; on a busy machine the time may be over before it comes to the server.
    assert model.predict_calls <= 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there_is_unavailable_with_a_hint(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = Client(f"{scheme}://127.0.0.1:{taken.getsockname()[1]}", retries=1, timeout_seconds=PATIENCE_SECONDS)
        with client, pytest.raises(errors.Unavailable, match="Nobody answers at") as caught:
            client.predict("m", X)
    assert "taxiway serve" in str(caught.value.hint)


def test_metadata_is_asked_once_a_version(client: Client, model: Model) -> None:
    for _ in range(3):
        client.predict("m", {"x": X, "said": SAID})
    assert model.metadata_calls == 1
    model.version = 4
    for _ in range(3):
        assert client.predict("m", {"x": X, "said": SAID}).version == 4
    assert model.metadata_calls == 2


def test_status_metadata_and_models(client: Client, url: str) -> None:
    assert client.status("m") == (VersionStatus(3, "AVAILABLE"),)
    found = client.metadata("m")
    assert found.version == 3
    assert found.signatures["serving_default"].inputs["x"].shape == (None, 2)
    with pytest.raises(errors.NotFound):
        client.status("other")
    if url.startswith("http"):
        assert client.models() == ("m",)
    else:
        with pytest.raises(errors.Unimplemented):
            client.models()


def test_threads_share_a_client(client: Client) -> None:
    def ask(index: int) -> bool:
        x = np.full((2, 2), index, np.float32)
        return bool((client.predict("m", {"x": x, "said": SAID})["half"] == index / 2).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(64)))


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8501", "grpc://", "http://", "grpc://h:99999", "grpc://h/p"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="no address of a server"):
        Client(url)


@pytest.mark.parametrize("request_id", ["", "two words", "ü", "x" * 129])
def test_ids_a_server_would_not_keep_are_refused(client: Client, request_id: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="cannot be a request id"):
        client.predict("m", {"x": X, "said": SAID}, request_id=request_id)
