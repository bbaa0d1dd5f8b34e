"""One rank, in a process that Ray started: the same worker as on one machine, its output in the run directory."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taxiway.train.cluster.failure import error_line, lost_peer
from taxiway.train.cluster.ports import listens
from taxiway.train.cluster.tf_config import Task, task_from_environment

__all__ = ["MARK", "RankFailed", "all_output_to", "check_shared", "log_of", "started_mark", "train_rank"]

WRONG_REQUEST = 2
MARK = "RankFailed: "
_LOOK_SECONDS = 0.2
_LINGER_SECONDS = 3.0


class RankFailed(Exception):
    """A rank did not finish; the message is one line.

    ``wrong`` says that the request is, so that it will not go better again.
    """

    def __init__(self, line: str, wrong: bool = False) -> None:
        super().__init__(line, wrong)
        self.line, self.wrong = line, wrong

    def __str__(self) -> str:
        # As plain text, because what Ray hands to the driver may be this, or a traceback that ends in this.
        return f"{MARK}{'!' if self.wrong else ''}{self.line}"


def log_of(run_dir: Path, rank: int) -> Path:
    """Where the output of a rank goes."""
    return run_dir / "logs" / f"worker-{rank}.log"


def started_mark(run_dir: Path, token: str, rank: int) -> Path:
    """The file that says that a rank listens."""
    return run_dir / f"{token}-{rank}"


def train_rank(config: Mapping[str, Any]) -> None:
    """Train as the rank that TF_CONFIG says.

    Args:
        config: ``run_dir``, and ``token``: the name of a file in it that the driver wrote.

    Raises:
        RankFailed: it did not finish.
    """
    from taxiway.train import worker

    run_dir, task = Path(config["run_dir"]), task_from_environment()
    assert task is not None, "the backend sets TF_CONFIG"
    check_shared(run_dir, config["token"])
    threading.Thread(target=_mark_started, args=(run_dir, config["token"], task), daemon=True).start()
    log = log_of(run_dir, task.index)
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as file:
        before = file.tell()
        with all_output_to(file.fileno()):
            print(f"on {socket.gethostname()}, process {os.getpid()}")
            code = worker.main(["--run-dir", str(run_dir)])
    if code:
        line = _last_error(log, before) or f"it ended with code {code}"
        if lost_peer(line):
            # Whoever died first is the cause, and Ray notices a death later than its neighbours do.
            threading.Event().wait(_LINGER_SECONDS)
        raise RankFailed(line, wrong=code == WRONG_REQUEST)


def check_shared(directory: Path, token: str) -> None:
    """Hold that a directory is the driver's, who has written a file of that name into it.

    Raises:
        RankFailed: it is another one.
    """
    if not (directory / token).is_file():
        raise RankFailed(
            f"the directory {directory} is not the driver's on {socket.gethostname()}; it must be on storage that "
            "every machine of the cluster shares",
            wrong=True,
        )


def _mark_started(run_dir: Path, token: str, task: Task) -> None:
    pause = threading.Event()
    # A rank alone opens no port.
    while len(task.cluster.worker) > 1 and not listens(task.address):
        pause.wait(_LOOK_SECONDS)
    with contextlib.suppress(OSError):
        started_mark(run_dir, token, task.index).touch()


@contextlib.contextmanager
def all_output_to(descriptor: int) -> Iterator[None]:
    """Send what Python, TensorFlow and the job print to one file, past Ray's own."""
    kept = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(descriptor, number)
    try:
        with (
            os.fdopen(os.dup(descriptor), "w", buffering=1, errors="replace") as text,
            contextlib.redirect_stdout(text),
            contextlib.redirect_stderr(text),
        ):
            yield
    finally:
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)


def _last_error(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return next((found for line in reversed(lines) if (found := error_line(line))), "")
