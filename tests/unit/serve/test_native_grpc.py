"""gRPC of the compiled data plane, over real sockets and without a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.serve.server import NativeDataPlane
from taxiway.settings import ServerSettings

pytest.importorskip("taxiway._server", reason="the extension is not built: make setup")

RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
LONG_SECONDS = 60.0

Ask = Callable[[str, bytes], bytes]


def plane(**changes: Any) -> NativeDataPlane:
    settings = {"rest_port": 0, "grpc_port": 0, "io_threads": 1, "compute_threads": 1} | changes
    return NativeDataPlane(ServerSettings(**settings))


@pytest.fixture
def native() -> Iterator[NativeDataPlane]:
    one = plane()
    yield one
    one.stop(LONG_SECONDS)


@pytest.fixture
def ask(native: NativeDataPlane) -> Iterator[Ask]:
    with grpc.insecure_channel(native.start()["grpc"]) as channel:
        yield lambda method, request: channel.unary_unary(method, bytes, bytes)(request, timeout=LONG_SECONDS)


def refusal(ask: Ask, method: str, request: bytes = b"") -> tuple[str, str | None]:
    with pytest.raises(grpc.RpcError) as refused:
        ask(method, request)
    return refused.value.code().name, refused.value.details()


def test_a_reload_without_a_handler_is_not_implemented(ask: Ask) -> None:
    assert refusal(ask, RELOAD)[0] == "UNIMPLEMENTED"


def test_a_reload_is_the_handlers_to_answer(native: NativeDataPlane, ask: Ask) -> None:
    native.on_reload(lambda request: request[::-1])
    assert ask(RELOAD, b"abc") == b"cba"
    with pytest.raises(FailedPrecondition):
        native.on_reload(lambda request: request)


def test_what_a_handler_raises_the_call_fails_with(native: NativeDataPlane, ask: Ask) -> None:
    def handler(request: bytes) -> bytes:
        if request:
            raise InvalidArgument("Illegal to list model m multiple times in config list")
        raise ValueError("not ours")

    native.on_reload(handler)
    assert refusal(ask, RELOAD, b"x") == (
        "INVALID_ARGUMENT",
        "Illegal to list model m multiple times in config list",
    )
    assert refusal(ask, RELOAD) == ("INTERNAL", "ValueError: not ours")


def test_a_caller_waits_for_a_reload_as_long_as_it_likes() -> None:
    native, go, came = plane(request_timeout_ms=1), threading.Event(), threading.Event()

    def handler(request: bytes) -> bytes:
        came.set()
        assert go.wait(LONG_SECONDS)
        return b"done"

    native.on_reload(handler)
    with grpc.insecure_channel(native.start()["grpc"]) as channel:
        call = channel.unary_unary(RELOAD, bytes, bytes)
        first = call.future(b"", timeout=LONG_SECONDS)
        assert came.wait(LONG_SECONDS)
        with pytest.raises(grpc.RpcError) as refused:  # its turn never comes
            call(b"", timeout=0.1)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        go.set()
        assert first.result() == b"done"
    assert native.stop(LONG_SECONDS)
