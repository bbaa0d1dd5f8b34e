"""gRPC below its messages: frames cut short, wrong flags and lengths, wrong headers, and HTTP/2 that is none."""

from __future__ import annotations

import socket
from random import Random
from urllib.parse import unquote

import grpc
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.errors import ErrorCodes

from tests.fuzz.aimed import exchange
from tests.fuzz.bodies import spoilt_bytes
from tests.fuzz.messages import Messages
from tests.fuzz.services import methods
from tests.fuzz.tally import Tally
from tests.fuzz.target import HANG_SECONDS, Target

CODES = {code.value[0]: code.name for code in grpc.StatusCode}
LENGTHS = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
Headers = list[tuple[str, str]]
# What stands in a header instead, or beside.
ODD_HEADERS: tuple[tuple[str, str], ...] = (
    ("content-type", "text/plain"), ("content-type", "application/grpc+json"), ("grpc-encoding", "gzip"),
    ("grpc-encoding", "snappy"), ("grpc-timeout", "1x"), ("grpc-timeout", "99999999H"), ("grpc-timeout", "0n"),
    ("grpc-timeout", ""), ("te", ""), ("x-request-id", "é"), ("user-agent", "x" * 9000), ("content-length", "7"),
)  # fmt: skip
SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
NOISE = (
    SETTINGS,
    SETTINGS + b"\x00\x00\x05\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41\x00",  # HEADERS that end the stream
    SETTINGS + b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08" * 50,  # resets of streams that never were
    SETTINGS + b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + bytes(100),  # DATA of no stream, cut short
    SETTINGS + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff" * 3,  # a window that overflows
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
)


def fuzz(target: Target, requests: int, number: int, tally: Tally) -> None:
    """Send so many calls whose frames are wrong, a connection each; every fifth is noise instead."""
    random = Random(number)
    messages = Messages(random)
    with grpc.insecure_channel(target.address) as channel:
        # Not the profiler's: a profile lasts as long as its message says, and this is about frames.
        known = [method for method in methods(channel) if "ProfilerService" not in method.path]
    for at in range(requests):
        if at % 5 == 4:
            data = random.choice(NOISE)
            for _ in range(random.randrange(3)):
                data = spoilt_bytes(random, data)
            exchange(target.grpc, data, "noise to the gRPC port", tally)
            continue
        method = random.choice(known)
        message = messages.fill(method.request()).SerializeToString()
        path = method.path if random.random() < 0.9 else random.choice(("/", "/a/b", method.path + "/", "//", "/é"))
        _call(target, _headers(random, path), _framed(random, message), tally)


def _headers(random: Random, path: str) -> Headers:
    headers = {
        ":method": "POST", ":scheme": "http", ":authority": "localhost", ":path": path, "te": "trailers",
        "content-type": "application/grpc",
    }  # fmt: skip
    if random.random() < 0.5:
        name, value = random.choice(ODD_HEADERS)
        headers[name] = value
    if random.random() < 0.05:
        headers[":method"] = random.choice(("GET", "PUT", "OPTIONS"))
    return list(headers.items())


def _framed(random: Random, message: bytes) -> bytes:
    """A frame with one thing wrong."""
    flag, length, frames = 0, len(message), 1
    match random.randrange(6):
        case 0:
            flag = random.choice((1, 2, 255))
        case 1:
            length = random.choice((*LENGTHS, len(message) + 1, max(0, len(message) - 1)))
        case 2:
            frames = random.choice((0, 2, 3))
    whole = (bytes([flag]) + length.to_bytes(4, "big") + message) * frames
    return whole[: random.randrange(len(whole) + 1)] if random.random() < 0.3 else whole


def _call(target: Target, headers: Headers, body: bytes, tally: Tally) -> None:
    path = dict(headers)[":path"]

    def reproducer() -> str:
        return f"{headers} {body!r}"

    try:
        status, message = _exchange(target, headers, body)
    except OSError as error:
        tally.unanswered("frames to the gRPC port", f"{path}: {error!r}", reproducer)
        return
    tally.answered("frames to the gRPC port", status, message, reproducer)


def _exchange(target: Target, headers: Headers, body: bytes) -> tuple[str, str]:
    """Send one call on a connection of its own; the status that came, ``closed`` when the connection was instead."""
    config = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    connection.send_headers(1, headers)
    window = connection.local_flow_control_window(1)
    connection.send_data(1, body[:window], end_stream=True)
    with socket.create_connection(("127.0.0.1", target.grpc), HANG_SECONDS) as stream:
        try:
            stream.sendall(connection.data_to_send())
            return _status(stream, connection)
        except (ConnectionResetError, BrokenPipeError):
            return "connection reset", ""


def _status(stream: socket.socket, connection: h2.connection.H2Connection) -> tuple[str, str]:
    found: dict[str, str] = {}
    while data := stream.recv(65536):
        try:
            events = connection.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            return "wrong HTTP/2", str(error)
        stream.sendall(connection.data_to_send())
        for event in events:
            if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                found |= {_text(name): _text(value) for name, value in event.headers or ()}
            if isinstance(event, h2.events.DataReceived) and "grpc-status" not in found:
                found.setdefault("answer", "OK")
            if isinstance(event, h2.events.StreamReset) and "grpc-status" not in found:
                return f"reset, {ErrorCodes(event.error_code).name}", ""
        # A watcher of health is told once and then when something changes: its first answer is its answer.
        ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
        if ended or "answer" in found:
            number = int(found.get("grpc-status", "-1"))
            http = "OK" if "answer" in found else f"HTTP {found.get(':status', 'without a status')}"
            return CODES.get(number, http), unquote(found.get("grpc-message", ""))
    return "closed", ""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
