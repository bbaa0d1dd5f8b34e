"""A real server in a process of its own, for a trial."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from taxiway.errors import FailedPrecondition
from taxiway.settings import write
from taxiway.tune_serving.candidate import Candidate
from taxiway.tune_serving.place import Placed

__all__ = ["Served"]

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


class Served:
    """``taxiway serve`` with a candidate's settings, on loopback, on ports that the system chooses. A context.

    Args:
        placed: the model.
        candidate: the settings.
        folder: for its configuration and what it prints.

    Raises:
        FailedPrecondition: it does not come to serve the model; the message says what it said.
    """

    def __init__(self, placed: Placed, candidate: Candidate, folder: Path) -> None:
        self._log = folder / "server.log"
        config = folder / "taxiway.toml"
        config.write_text(_settings(placed, candidate), encoding="utf-8")
        # Settings of the user's own environment would be tried too, and not be told.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TAXIWAY_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "taxiway", "serve", "--config", str(config)],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=environment, text=True,
                # The terminal's Ctrl-C is for the search, which ends its servers itself.
                start_new_session=True,
            )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.urls: dict[str, str] = {}
        try:
            self._wait(placed.name)
        except BaseException:
            self.stop()
            raise

    def _read(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for line in lines:
                    self._lines.put(line)
        self._lines.put("")

    def _wait(self, model: str) -> None:
        """Read what it prints until it says what became of the model."""
        while True:
            try:
                line = self._lines.get(timeout=_START_SECONDS)
            except queue.Empty:
                raise FailedPrecondition(f"The server was not ready after {_START_SECONDS:.0f} s.") from None
            title, _, rest = line.strip().partition(" ")
            if not line:
                raise FailedPrecondition(f"The server ended: {self._last_line()}")
            if title in ("REST", "gRPC"):
                self.urls[{"REST": "rest", "gRPC": "grpc"}[title]] = rest.strip()
            elif title == f"{model}:":
                if rest.startswith("not serving"):
                    raise FailedPrecondition(f"The model is {rest}: {self._last_line()}")
                return

    def _last_line(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        """End it, gently at first."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._reader.join(_STOP_SECONDS)

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _settings(placed: Placed, candidate: Candidate) -> str:
    server = {"rest_port": 0, "grpc_port": 0, "admin_port": -1, "state": "", "quiet_seconds": 0.0, "drain_seconds": 1.0}
    model = {"source": str(placed.base), **candidate.all_model()}
    text = write.changed("", ("server",), {**server, "load_attempts": 1, **candidate.all_server()})
    return write.changed(text, ("models", placed.name), model)
