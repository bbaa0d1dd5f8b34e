"""gRPC calls of every method: messages filled field by field, and bytes that are none."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import grpc

from tests.fuzz.bodies import spoilt_bytes
from tests.fuzz.messages import Messages
from tests.fuzz.services import Method, methods
from tests.fuzz.tally import Tally
from tests.fuzz.target import HANG_SECONDS, Target

# As many calls are under way at once.
IN_FLIGHT = 16
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
# What says that there was no answer, rather than one.
SILENT = ("Deadline Exceeded", "Socket closed", "Connection reset", "failed to connect", "GOAWAY", "Broken pipe")

# Reloads wait for their turn, and for models that load.
RELOAD_SECONDS = 300
# A profile lasts as long as its message says, which may be for ever when it was spoilt: its caller gives up.
PROFILE_SECONDS = 3

Making = Callable[[Method], bytes]


def fuzz(target: Target, requests: int, number: int, tally: Tally) -> None:
    """Send so many messages whose fields are nearly right, as many to each method but more to those that run models."""
    random = Random(number)
    messages = Messages(random, target.models)
    _send_all(target, requests, random, "", lambda method: messages.fill(method.request()).SerializeToString(), tally)


def fuzz_bytes(target: Target, requests: int, number: int, tally: Tally) -> None:
    """Send so many messages that do not parse, or parse as something else: spoilt ones, and noise."""
    random = Random(number)
    messages = Messages(random)

    def spoilt(method: Method) -> bytes:
        if random.random() < 0.3:
            return random.randbytes(random.choice((0, 1, 2, 7, 60, 3000)))
        data: bytes = messages.fill(method.request()).SerializeToString()
        for _ in range(random.randrange(1, 4)):
            data = spoilt_bytes(random, data)
        return data

    _send_all(target, requests, random, "bytes, ", spoilt, tally)


def _send_all(target: Target, requests: int, random: Random, kind: str, make: Making, tally: Tally) -> None:
    with grpc.insecure_channel(target.address, UNLIMITED) as channel:
        known = methods(channel)
        weights = [5 if "PredictionService" in method.path else 1 for method in known]
        under_way: deque[tuple[Any, Method, bytes]] = deque()
        for method in random.choices(known, weights, k=requests):
            data = make(method)
            under_way.append((_start(channel, method, data), method, data))
            if len(under_way) >= IN_FLIGHT:
                _finish(under_way.popleft(), kind, tally)
        while under_way:
            _finish(under_way.popleft(), kind, tally)


def _start(channel: grpc.Channel, method: Method, data: bytes) -> Any:
    """Begin a call. A stream of answers is read as far as its first."""
    if method.takes_stream:
        return channel.stream_stream(method.path, bytes, bytes)(iter([data]), timeout=HANG_SECONDS)
    if method.gives_stream:
        return channel.unary_stream(method.path, bytes, bytes)(data, timeout=HANG_SECONDS)
    return channel.unary_unary(method.path, bytes, bytes).future(data, timeout=_patience(method))


def _patience(method: Method) -> float:
    """How long a call may take, in seconds."""
    if method.path.endswith("ReloadConfigRequest"):
        return RELOAD_SECONDS
    return PROFILE_SECONDS if "ProfilerService" in method.path else HANG_SECONDS


def _finish(begun: tuple[Any, Method, bytes], kind: str, tally: Tally) -> None:
    call, method, data = begun
    operation = f"{kind}{method.path[1:]}"

    def reproducer() -> str:
        return f"{method.path} {base64.b64encode(data).decode()}"

    try:
        if method.takes_stream or method.gives_stream:
            next(call, None)
            call.cancel()
        else:
            call.result()
        tally.answered(operation, "OK", "", reproducer)
    except grpc.RpcError:
        status, message = call.code().name, str(call.details())
        lasts = "ProfilerService" in method.path and status == "DEADLINE_EXCEEDED"
        if lasts:
            tally.answered(operation, "given up", "", reproducer)
        elif status in ("DEADLINE_EXCEEDED", "UNAVAILABLE") and any(text in message for text in SILENT):
            tally.unanswered(operation, f"{status} {message}", reproducer)
        else:
            tally.answered(operation, status, message, reproducer)
