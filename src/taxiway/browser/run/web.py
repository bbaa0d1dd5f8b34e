"""A web server for the page that asks: folders, to this machine only, isolated as threads of wasm need it."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["WebServer"]

# Without these two a page is not isolated, and gets no shared memory.
_ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}


class WebServer:
    """Serves folders on a port of its own, as a context.

    Attributes:
        folders: what is served, by the first part of the path; it may change while the server runs.
        url: ``http://127.0.0.1:PORT``.
    """

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folders=folders))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **_TYPES}  # noqa: RUF012  as it is there

    def __init__(self, *args: Any, folders: dict[str, Path], **kwargs: Any) -> None:
        self._folders = folders
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        for name, value in _ISOLATED.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def translate_path(self, path: str) -> str:
        first, _, rest = unquote(urlsplit(path).path).lstrip("/").partition("/")
        root = self._folders.get(first)
        if root is None or ".." in rest.split("/"):
            return "/nowhere"
        return str(root / rest)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
