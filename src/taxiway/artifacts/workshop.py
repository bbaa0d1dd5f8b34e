"""Asking workers: a process each for TensorFlow, LiteRT and the server, started when needed and when one died."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, Unavailable, error_of_kind

__all__ = ["Died", "Workshop"]

# Which process does a job: TensorFlow's Python is in the way of the library that the server opens.
_TENSORFLOW, _LITERT, _SERVER = "tensorflow", "litert", "server"
_PROCESSES = {
    **dict.fromkeys(("original", "convert", "keras", "tokens", "split", "tokens_of_graph", "graph_model"), _TENSORFLOW),
    "engines": _SERVER,
}
_CALLED = {
    "convert": "the converter",
    "quantize": "the quantiser",
    "run": "the runtime",
    "graph_model": "the writer",
    "engines": "the server's engine",
}
_JOB_SECONDS = 900.0


class Died(FailedPrecondition):
    """The process that did a job ended without an answer: native code crashed in it."""


class Workshop:
    """The workers of one build, and a folder for what they hand over. Use it as a context."""

    def __init__(self, job_seconds: float = _JOB_SECONDS) -> None:
        self._seconds = job_seconds
        self._workers: dict[str, _Worker] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="taxiway-made-")
        self.folder = Path(self._folder.name)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        """Have a job done.

        Raises:
            Died: the process ended.
            Unavailable: it took too long, and was ended.
            TaxiwayError: what the job raised; UNKNOWN when it was no error of ours, with all that it said.
        """
        which = _PROCESSES.get(job, _LITERT)
        if which not in self._workers:
            self._workers[which] = _Worker(self.folder / f"{which}.log")
        try:
            reply = self._workers[which].ask({"job": job, **arguments}, self._seconds)
        except (Died, Unavailable) as error:
            self._workers.pop(which).close()
            raise type(error)(f"{_CALLED.get(job, 'TensorFlow')} {error.message}") from None
        if "error" in reply:
            told = error_of_kind(reply["kind"], reply["error"])
            told.hint = reply["hint"]
            raise told
        found: dict[str, Any] = reply["found"]
        return found

    def close(self) -> None:
        """End the processes and remove the folder."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
        self._folder.cleanup()


class _Worker:
    def __init__(self, log: Path) -> None:
        reading, writing = os.pipe()
        with log.open("ab") as kept:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "taxiway.artifacts.worker", str(writing)],
                stdin=subprocess.PIPE, stdout=kept, stderr=kept, pass_fds=(writing,), env=_environment(),
            )  # fmt: skip
        os.close(writing)
        self._replies = os.fdopen(reading, "rb")

    def ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        # One reply a job, so nothing waits in the buffer of the file.
        if not select.select([self._replies], [], [], seconds)[0]:
            raise Unavailable(f"took longer than {seconds:g} s")
        line = self._replies.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._replies.close()

    def _died(self) -> Died:
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Died(f"crashed ({how})")


def _environment() -> dict[str, str]:
    """This process's environment, with this process's modules, without a GPU."""
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
