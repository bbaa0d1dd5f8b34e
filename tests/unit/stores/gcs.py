"""A stand-in for Google Cloud Storage: the calls of its XML API that object stores are spoken to with.

Objects have generations; puts obey ``x-goog-if-generation-match``; listings obey ``prefix`` and ``delimiter``; uploads
come whole or in parts. It knows no credentials.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import urllib.parse
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from xml.sax.saxutils import escape

__all__ = ["GcsStandIn"]


@dataclass
class Stored:
    data: bytes
    generation: int
    modified_at: float


@dataclass
class State:
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))
    lock: threading.RLock = field(default_factory=threading.RLock)
    now: float = 1_800_000_000.0
    calls: list[str] = field(default_factory=list)
    away: bool = False
    """Whether every call is answered with 503, as in an outage."""

    def put(self, name: str, data: bytes) -> Stored:
        self.objects[name] = Stored(data, next(self.numbers), self.now)
        return self.objects[name]


class GcsStandIn:
    """A server on a free port; buckets come to be when they are written to."""

    def __init__(self) -> None:
        self.state = State()
        state = self.state

        class Handler(Answers):
            pass

        Handler.state = state
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> GcsStandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    state: State

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self.state.away:
            self._body()
            self._answer(503, b"<Error><Code>ServiceUnavailable</Code></Error>")
            self.wfile.flush()
        return not self.state.away

    def do_GET(self) -> None:
        name, query = self._asked()
        with self.state.lock:
            if "/" not in name:
                self._list(name, query)
                return
            there = self.state.objects.get(name)
        if there is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        start, end = 0, len(there.data)
        wanted = self.headers.get("Range")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, end) if last else end
            if start >= len(there.data):
                self._answer(416, b"")
                return
        headers = self._headers_of(there)
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(there.data)}"
        self._answer(206 if wanted else 200, there.data[start:end], headers)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        name, query = self._asked()
        data = self._body()
        condition = self.headers.get("x-goog-if-generation-match")
        with self.state.lock:
            if "uploadId" in query:
                parts = self.state.uploads[query["uploadId"]]
                parts[int(query["partNumber"])] = data
                self._answer(200, b"", {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})
                return
            there = self.state.objects.get(name)
            if condition is not None and int(condition) != (there.generation if there else 0):
                self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            self._answer(200, b"", self._headers_of(self.state.put(name, data)))

    def do_POST(self) -> None:
        name, query = self._asked()
        body = self._body()
        with self.state.lock:
            if "uploads" in query:
                number = str(next(self.state.numbers))
                self.state.uploads[number] = {}
                text = f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
                self._answer(200, text.encode())
                return
            parts = self.state.uploads.pop(query["uploadId"])
            assert body.count(b"<PartNumber>") == len(parts)
            stored = self.state.put(name, b"".join(parts[number] for number in sorted(parts)))
            text = f"<CompleteMultipartUploadResult><ETag>{_tag(stored)}</ETag></CompleteMultipartUploadResult>"
            self._answer(200, text.encode(), self._headers_of(stored))

    def do_DELETE(self) -> None:
        name, query = self._asked()
        with self.state.lock:
            if "uploadId" in query:
                self.state.uploads.pop(query["uploadId"], None)
                self._answer(204, b"")
                return
            self._answer(204 if self.state.objects.pop(name, None) else 404, b"")

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after, most = query.get("continuation-token", ""), int(query.get("max-keys", 1000))
        contents: dict[str, str] = {}
        for full, stored in sorted(self.state.objects.items()):
            owner, _, key = full.partition("/")
            if owner != bucket or not key.startswith(prefix):
                continue
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                contents[folder] = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            else:
                contents[key] = (
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(stored.data)}</Size>"
                    f"<LastModified>2027-01-15T08:00:00.000Z</LastModified><ETag>{_tag(stored)}</ETag></Contents>"
                )
        left = [key for key in sorted(contents) if key > after]
        more = f"<NextContinuationToken>{escape(left[most - 1])}</NextContinuationToken>" if len(left) > most else ""
        text = "".join(contents[key] for key in left[:most])
        self._answer(200, f"<ListBucketResult>{text}{more}</ListBucketResult>".encode())

    def _headers_of(self, stored: Stored) -> dict[str, str]:
        return {
            "ETag": _tag(stored),
            "x-goog-generation": str(stored.generation),
            "Last-Modified": formatdate(stored.modified_at, usegmt=True),
        }

    def _asked(self) -> tuple[str, dict[str, str]]:
        path, _, query = self.path.partition("?")
        name = urllib.parse.unquote(path).strip("/")
        self.state.calls.append(f"{self.command} {name}")
        return name, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _tag(stored: Stored) -> str:
    return f'"{stored.generation}"'
