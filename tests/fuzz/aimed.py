"""REST requests that are nearly right: for every model's signatures, to every path, spoilt a little; and noise."""

from __future__ import annotations

import http.client
import json
import socket
from random import Random

from tests.fuzz.bodies import Bodies, spoilt_bytes
from tests.fuzz.tally import Tally
from tests.fuzz.target import HANG_SECONDS, MODELS, Target

VERBS = ("predict", "predict", "predict", "classify", "regress")
CHOICES = ("", "", "", "/versions/1", "/labels/stable", "/versions/2", "/labels/x", "/versions/99999999999999999999")
PATHS = (
    "/v1/models/words:predict?x=1", "/v1/models//:predict", "/v1/models/%00:predict", "/v1/models/%ff%fe:predict",
    "/v1/models/half_plus_two:PREDICT", "/V1/MODELS/half_plus_two:predict", "/v1/models/a/b/c", "/v1/", "/v1", "/", "*",
    "/v1/models/half_plus_two/metadata/x", "/v1/models/" + "m" * 5000, "/readyz/%2F", "/readyz/", "/metrics?x",
    "/monitoring/prometheus/metrics?x=1", "/healthz/..", "/openapi.json?", "http://elsewhere/v1/models",
)  # fmt: skip
METHODS = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST", "PROPFIND")
HEADERS = (
    {"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}, {"Origin": "https://x"}, {"Origin": "null"},
    {"Expect": "nonsense"}, {"x-request-id": "a b"}, {"Content-Type": "text/html; charset=\xff"}, {"Accept": "nothing"},
)  # fmt: skip


def fuzz(target: Target, requests: int, number: int, tally: Tally) -> None:
    """Send so many requests over one connection that is made anew when it breaks."""
    random = Random(number)
    bodies = {model: Bodies(random, target.signatures(model)) for model in MODELS}
    client = http.client.HTTPConnection("127.0.0.1", target.rest, timeout=HANG_SECONDS)
    for _ in range(requests):
        headers = {} if random.random() < 0.8 else dict(random.choice(HEADERS))
        if random.random() < 0.1:
            method, path, body = random.choice(METHODS), random.choice(PATHS), random.randbytes(random.randrange(20))
            operation = "anything else"
        else:
            choice, verb = random.choice(CHOICES), random.choice(VERBS)
            model = "examples" if verb != "predict" and random.random() < 0.7 else random.choice(MODELS)
            body, compressed = bodies[model].any(verb)
            if compressed:
                headers["Content-Encoding"] = "gzip"
            method, path = "POST", f"/v1/models/{model}{choice}:{verb}"
            operation = f"{verb} of {model}"
        client = _ask(client, (method, path, body, headers), f"aimed, {operation}", tally)
    client.close()


def _ask(
    client: http.client.HTTPConnection, asked: tuple[str, str, bytes, dict[str, str]], operation: str, tally: Tally
) -> http.client.HTTPConnection:
    method, path, body, headers = asked

    def reproducer() -> str:
        return f"{method} {path} {headers} {body!r}"

    try:
        client.request(method, path, body, headers)
        response = client.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        client.close()
        tally.unanswered(operation, repr(error), reproducer)
        return client
    tally.answered(operation, str(response.status), _message(response.status, content), reproducer)
    return client


def _message(status: int, content: bytes) -> str:
    """The text of an error."""
    if status < 400 or not content:
        return ""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError):
        return content[:300].decode(errors="replace")


REQUESTS = (
    b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 20\r\n\r\n"
    b'{"instances": [1.0]}',
    b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n"
    b'\r\n14\r\n{"instances": [1.0]}\r\n0\r\n\r\n',
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def fuzz_bytes(target: Target, requests: int, number: int, tally: Tally) -> None:
    """Send spoilt HTTP, a connection each. That a connection is closed on nonsense is its answer; a hang is none."""
    random = Random(number)
    for _ in range(requests):
        data = random.choice(REQUESTS)
        for _ in range(random.randrange(4)):
            data = spoilt_bytes(random, data)
        exchange(target.rest, data, "noise to the REST port", tally)


def exchange(port: int, data: bytes, operation: str, tally: Tally) -> None:
    """Send bytes, say that no more come, and read until the server closes."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), HANG_SECONDS) as stream:
            try:
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                while piece := stream.recv(65536):
                    received += piece
            except TimeoutError:
                raise
            except OSError:
                pass  # closed while bytes of ours were on their way
    except OSError as error:
        tally.unanswered(operation, repr(error), lambda: repr(data))
        return
    status = received[9:12].decode() if received.startswith(b"HTTP/1.") else "closed"
    tally.answered(operation, status, received.decode(errors="replace")[-300:], lambda: repr(data))
