"""What clients and operators of tensorflow_model_server see on gRPC's wire, with grpcio and TensorFlow's own profiler."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import pytest

from taxiway.wire import message
from tests.journeys.conftest import put
from tests.journeys.test_drop_in import Process, serve
from tests.waiting import PATIENCE_SECONDS, eventually

__all__ = ["serve"]  # a fixture is found by its name
pytestmark = pytest.mark.timeout(300)


@pytest.mark.tfs("grpc-socket")
def test_stock_clients_speak_through_the_socket_file(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    base, folder = put(exported, tmp_path / "half", 1), tmp_path / "a folder: 100% [odd]"
    folder.mkdir()
    path = folder / "grpc@1.sock"
    flags = ("--model_name=half", f"--model_base_path={base}", f"--grpc_socket_path={path}")
    server = serve(*flags)
    request = message("tensorflow.serving.GetModelStatusRequest")()
    request.model_spec.name = "half"
    asked = request.SerializeToString()
    # No channel argument, as in code that was written for TensorFlow Serving.
    with grpc.insecure_channel(f"unix:{path}") as channel:
        status = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus", bytes, bytes)

        def ask() -> bytes:
            # Each call has headers of its own beside those that the connection remembers.
            answer = status(asked, wait_for_ready=True, timeout=PATIENCE_SECONDS, metadata=(("n", str(time.time())),))
            return bytes(answer)

        first = ask()
        assert message("tensorflow.serving.GetModelStatusResponse").FromString(first).model_version_status
        assert [ask() for _ in range(20)] == [first] * 20
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda _: ask(), range(100))) == [first] * 100
        assert server.end() == 0
        assert serve(*flags).version_of("half") == 1
        assert ask() == first


@pytest.mark.tfs("flags-listen")
def test_channel_arguments_are_heeded_or_named(tmp_path: Path, exported: Path, serve: Callable[..., Process]) -> None:
    base = put(exported, tmp_path / "half", 1)
    arguments = "grpc.max_receive_message_length=40,grpc.max_connection_age_ms=500,grpc.http2.bdp_probe=1"
    server = serve("--model_name=half", f"--model_base_path={base}", f"--grpc_channel_arguments={arguments}")
    assert server.logged("warning: --grpc_channel_arguments: grpc.http2.bdp_probe has no effect")
    assert not server.logged("grpc.max_connection_age_ms")
    request, states = message("tensorflow.serving.GetModelStatusRequest")(), Queue[Any]()
    request.model_spec.name = "half"
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        channel.subscribe(states.put)
        status = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus", bytes, bytes)
        assert status(request.SerializeToString(), timeout=PATIENCE_SECONDS)
        request.model_spec.name = "n" * 40
        with pytest.raises(grpc.RpcError) as refused:
            status(request.SerializeToString(), timeout=PATIENCE_SECONDS)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # The channel sees its connection end, and a call opens the next.
        seen: list[Any] = []
        while grpc.ChannelConnectivity.READY not in seen or seen[-1] is grpc.ChannelConnectivity.READY:
            seen.append(states.get(timeout=PATIENCE_SECONDS))
        request.model_spec.name = "half"
        assert status(request.SerializeToString(), timeout=PATIENCE_SECONDS)


@pytest.mark.tfs("grpc-profiler", "flags-observe")
def test_a_profile_is_taken_while_requests_are_answered(
    tmp_path: Path, exported: Path, serve: Callable[..., Process]
) -> None:
    from tensorflow.python.profiler import profiler_client
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    base = put(exported, tmp_path / "half", 1)
    server = serve("--model_name=half", f"--model_base_path={base}")
    stop, asked, number = threading.Event(), threading.Event(), itertools.count()

    def ask() -> None:
        while not stop.wait(0.05):
            assert server.version_of("half") == 1
            asked.set()

    def traced() -> set[str]:
        """The names of what a profile holds."""
        folder = tmp_path / f"logs-{next(number)}"
        profiler_client.trace(f"localhost:{server.grpc}", str(folder), 500, "", 10)
        (file,) = folder.rglob("*.xplane.pb")
        (plane,) = XSpace.FromString(file.read_bytes()).planes
        return {plane.event_metadata[event.metadata_id].name for line in plane.lines for event in line.events}

    client = threading.Thread(target=ask)
    client.start()
    try:
        assert asked.wait(PATIENCE_SECONDS)
        # On a machine with too much to do, no request may end while one is taken.
        names = eventually(lambda: "Predict half/1" in (found := traced()) and found)
        eventually(lambda: "rest Predict half/1: " in profiler_client.monitor(f"localhost:{server.grpc}", 500, 2))
    finally:
        stop.set()
        client.join()
    assert names == {"Predict half/1", "Profile"}
    off = serve("--model_name=half", f"--model_base_path={base}", "--enable_profiler=false")
    with grpc.insecure_channel(f"127.0.0.1:{off.grpc}") as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/tensorflow.ProfilerService/Monitor", bytes, bytes)(b"", timeout=PATIENCE_SECONDS)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
