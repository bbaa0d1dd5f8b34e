"""What a run is asked to do: the one document between whoever starts processes and the processes that train.

It stands in the run directory as ``job.json``, is written once, and is never changed afterwards.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound
from taxiway.train.devices import checked_runtime
from taxiway.train.record import replace_text
from taxiway.types import JsonObject

__all__ = ["REQUEST_FILE", "STRATEGIES", "TrainRequest", "differing", "nearest", "read_request", "write_request"]

REQUEST_FILE = "job.json"

# The names that `--strategy` takes. `auto` becomes one of the others before anything is started.
STRATEGIES = (
    "auto",
    "one-device",
    "mirrored",
    "central-storage",
    "multi-worker",
    "parameter-server",
    "tpu",
)
MAX_PROFILED_BATCHES = 1000
_MAX_SEED = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What to train, on what, and how long.

    Attributes:
        job: ``module:attribute``, ``path/to/folder:module`` or ``path/to/file.py``.
        directory: the absolute directory in which ``job`` was named: relative paths and modules are found from it.
        params: what ``build_model`` and ``datasets`` are given.
        strategy: one of :data:`STRATEGIES`.
        epochs: passes over the training data, at least 1.
        global_batch: rows of one step, over all replicas.
        seed: orders the data and starts the weights; 0 to 2³² - 1.
        workers: processes that train.
        parameter_servers: processes that hold variables, of ``parameter-server`` only.
        devices: names such as ``CPU:0``, of the strategies of one process; empty for all that fit.
        runtime: the settings of ``configure_runtime``; its seed is the run's.
        profile: (first, last) batch of the first epoch trained that TensorFlow's profiler records, from 1; () for none.
    """

    job: str
    directory: str = field(default_factory=os.getcwd)
    params: Mapping[str, Any] = field(default_factory=dict)
    strategy: str = "auto"
    epochs: int = 1
    global_batch: int = 32
    seed: int = 0
    workers: int = 1
    parameter_servers: int = 0
    devices: tuple[str, ...] = ()
    runtime: Mapping[str, Any] = field(default_factory=dict)
    profile: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise InvalidArgument(
                f"There is no strategy {self.strategy!r}.", hint=nearest(self.strategy, STRATEGIES, "It is one of ")
            )
        if not self.job:
            raise InvalidArgument("No job was named.", hint="MODULE:JOB, or path/to/folder:module")
        for name, least in (("epochs", 1), ("global_batch", 1), ("workers", 1), ("parameter_servers", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidArgument(f"{name} is {value!r}; it must be a whole number, at least {least}.")
        if self.seed > _MAX_SEED:
            raise InvalidArgument(f"seed is {self.seed}; it must be at most {_MAX_SEED}.")
        object.__setattr__(self, "devices", tuple(self.devices))
        object.__setattr__(self, "profile", _profile(self.profile))
        object.__setattr__(self, "params", dict(self.params))
        object.__setattr__(self, "runtime", checked_runtime(self.runtime, self.seed))

    def to_json(self) -> str:
        """The document, as it stands on disk.

        Raises:
            InvalidArgument: a parameter is nothing that JSON can hold.
        """
        try:
            return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise InvalidArgument(
                f"The parameters cannot be written as JSON: {error}.", hint="Numbers, texts, lists, null; no objects."
            ) from None

    @classmethod
    def from_json(cls, text: str | bytes, where: str = REQUEST_FILE) -> TrainRequest:
        """The request in a document; ``where`` names it in errors.

        Raises:
            InvalidArgument: it is none: not JSON, a key that is unknown or missing, a value of the wrong kind.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InvalidArgument(f"{where} is not JSON: {error}.") from None
        if not isinstance(document, dict):
            raise InvalidArgument(f"{where} holds no JSON object.")
        return cls(**_checked(document, where))


def read_request(run_dir: str | os.PathLike[str]) -> TrainRequest:
    """The request of a run.

    Raises:
        NotFound: the directory holds none.
        InvalidArgument: what it holds is none.
    """
    path = Path(run_dir) / REQUEST_FILE
    try:
        return TrainRequest.from_json(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{run_dir} is no run: it has no {REQUEST_FILE}.", hint="taxiway runs list") from None


def write_request(run_dir: str | os.PathLike[str], request: TrainRequest) -> Path:
    """Write the request into a run directory, wholly or not at all; the same one again changes nothing.

    Raises:
        InvalidArgument: another request stands there; the message names what differs.
    """
    directory = Path(run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / REQUEST_FILE
    if path.exists():
        before = read_request(directory)
        different = differing(before, request)
        if different:
            raise InvalidArgument(
                f"{directory} is a run that was asked for something else: {', '.join(different)}.",
                hint="Leave the run directory out for a new run, or resume this one: taxiway train --resume RUN",
            )
        return path
    replace_text(path, request.to_json())
    return path


def differing(one: TrainRequest, other: TrainRequest) -> tuple[str, ...]:
    """The names of the fields in which two requests differ."""
    return tuple(each.name for each in fields(one) if getattr(one, each.name) != getattr(other, each.name))


def _checked(document: JsonObject, where: str) -> dict[str, Any]:
    known = {one.name: one for one in fields(TrainRequest)}
    for name, value in document.items():
        if name not in known:
            raise InvalidArgument(f"{where} has an unknown key {name!r}.", hint=nearest(name, tuple(known), "Known: "))
        wanted = _KINDS[name]
        if not isinstance(value, wanted):
            raise InvalidArgument(f"{where}: {name} is {value!r}, a {type(value).__name__}.")
    if "job" not in document:
        raise InvalidArgument(f"{where} names no job.")
    return dict(document)


_KINDS: dict[str, type | tuple[type, ...]] = {
    "job": str,
    "directory": str,
    "params": dict,
    "strategy": str,
    "epochs": int,
    "global_batch": int,
    "seed": int,
    "workers": int,
    "parameter_servers": int,
    "devices": list,
    "runtime": dict,
    "profile": list,
}


def _profile(given: Sequence[Any]) -> tuple[int, ...]:
    batches = tuple(given)
    if not batches:
        return ()
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in batches)
    if len(batches) != 2 or not whole or not 1 <= batches[0] <= batches[1]:
        raise InvalidArgument(
            f"profile is {given!r}; it must be the first and the last batch, counted from 1.", hint="--profile 10:20"
        )
    if batches[1] - batches[0] >= MAX_PROFILED_BATCHES:
        raise InvalidArgument(
            f"{batches[1] - batches[0] + 1} batches were to be profiled, at most {MAX_PROFILED_BATCHES} can be.",
            hint=f"--profile {batches[0]}:{batches[0] + MAX_PROFILED_BATCHES - 1}",
        )
    return batches


def nearest(name: str, known: Sequence[str], otherwise: str) -> str:
    """``Did you mean …?``, or the list of what is known after ``otherwise``."""
    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}?" if near else otherwise + ", ".join(known)
