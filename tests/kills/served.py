"""A server in a process of its own, its admin API, its journal, and users who never stop asking it."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from taxiway.journal import Event
from taxiway.journal.sqlite import SqliteJournal
from tests.waiting import PATIENCE_SECONDS, Crowd, eventually, free_port

ROOT = Path(__file__).parents[2]
MODEL = "half_plus_two"
# What version 1 and 2 answer to 0.
Y = {1: 2.0, 2: 3.0}
_CALL_SECONDS = PATIENCE_SECONDS


class Served:
    """``taxiway serve`` over the models in ``folder``; the same ports and state each time it is started."""

    def __init__(self, folder: Path, *, state: str = "", **settings: str) -> None:
        self._folder, self._state, self._settings = folder, state or str(folder / "state"), settings
        self.rest, self.admin = free_port(), free_port()
        config = f'[models.{MODEL}]\nsource = "{folder / "models" / MODEL}"\nrollout = "manual"\n'
        (folder / "taxiway.toml").write_text(config)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until the model answers and the admin API is there."""
        command = [sys.executable, "-m", "taxiway", "serve", "--config", str(self._folder / "taxiway.toml")]
        ports = ["--rest-port", str(self.rest), "--admin-port", str(self.admin), "--grpc-port", "-1"]
        environment = {"PYTHONPATH": str(ROOT / "src"), "TF_CPP_MIN_LOG_LEVEL": "3", "TAXIWAY_QUIET_SECONDS": "0"}
        environment |= {f"TAXIWAY_{name.upper()}": value for name, value in self._settings.items()}
        with (self._folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *ports, "--state", self._state],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment,
            )  # fmt: skip
        eventually(self._settled)

    def _settled(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log()
        try:
            return self.status()["default"] is not None
        except OSError:
            return False

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As an upgrade does."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(_CALL_SECONDS) == 0, self.log()

    def log(self) -> str:
        """The end of what it printed."""
        return (self._folder / "server.log").read_text()[-3000:]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A call of the admin API.

        Raises:
            OSError: it was refused (HTTPError), or the server is gone.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}/api/v1/{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as answer:
                return dict(json.load(answer))
        except (http.client.HTTPException, json.JSONDecodeError) as error:
            raise ConnectionError(f"the answer broke off: {error}") from None

    def status(self) -> dict[str, Any]:
        """The model as the admin API tells it."""
        return self.ask(f"models/{MODEL}")

    def rollout(self) -> dict[str, Any] | None:
        """Its latest rollout as the admin API tells it; None when it never had one."""
        try:
            return self.ask(f"models/{MODEL}/rollout")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def journal(self) -> list[Event]:
        """Every event in the file, whether or not the server runs."""
        journal = SqliteJournal(self._folder / "state" / "journal.db")
        try:
            return journal.read()
        finally:
            journal.close()

    def led(self, keys: int) -> dict[str, tuple[str | None, str | None]]:
        """The arm and the version that each of so many routing keys gets."""
        found = {}
        connection = http.client.HTTPConnection("127.0.0.1", self.rest, timeout=_CALL_SECONDS)
        try:
            for number in range(keys):
                key = f"key-{number}"
                headers = {"x-routing-key": key}
                connection.request("POST", f"/v1/models/{MODEL}:predict", '{"instances": [0]}', headers)
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 200, body
                found[key] = (answer.headers["x-taxiway-arm"], answer.headers["x-taxiway-version"])
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from None
        finally:
            connection.close()
        return found


class Users(Crowd):
    """Threads that ask without a pause, each visit with a key of its own; they wait out a server that is gone."""

    def __init__(self, port: int, count: int = 2) -> None:
        self._port = port
        self.answered = 0
        self.wrong: list[str] = []
        super().__init__(*(partial(self._run, seed) for seed in range(count)))

    def _run(self, seed: int) -> None:
        draw = random.Random(seed)
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_CALL_SECONDS)
            served = False
            try:
                while not self.stopping.is_set():
                    served = self._ask(connection, f"user-{draw.randrange(10**9)}", served)
            except (OSError, http.client.HTTPException, ValueError):
                self.stopping.wait(0.02)  # it was killed, maybe in the middle of an answer
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection, key: str, served: bool) -> bool:
        """Ask once; whether the model was ever served over this connection."""
        connection.request("POST", f"/v1/models/{MODEL}:predict", '{"instances": [0]}', {"x-routing-key": key})
        answer = connection.getresponse()
        body, version = answer.read(), answer.headers["x-taxiway-version"]
        if answer.status in (404, 503) and not served:
            self.stopping.wait(0.02)  # it has just started, and nothing is loaded yet
            return False
        if answer.status != 200 or json.loads(body)["predictions"] != [Y[int(version)]]:
            self.wrong.append(f"{answer.status} {version} {body[:200]!r}")
        self.answered += 1
        return True
