"""Replaying a recording."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.replay.ask import Asker
from taxiway.replay.compare import Comparison, Summary
from taxiway.settings import recordings
from taxiway.types import JsonObject
from taxiway.wire.recording import Recording

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

__all__ = ["Replay", "replay"]

_LOAD_SECONDS = 300.0
_LONGEST_REQUEST_SECONDS = 60.0


@dataclass(frozen=True)
class Replay:
    """What replaying found.

    Attributes:
        model: its name.
        version: the version in question, and ``against``, what it is compared with.
        against: see ``version``.
        recording: where the requests are.
        summary: what the answers came to.
        unreadable: parts of the recording that could not be read.
        skipped: recorded requests of a kind that cannot be asked again.
    """

    model: str
    version: int
    against: int
    recording: str
    summary: Summary
    unreadable: tuple[str, ...] = ()
    skipped: int = 0

    def as_json(self) -> JsonObject:
        """The same for programs; null where there is no number, or no finite one."""
        document = {**asdict(self), **asdict(self.summary)}
        del document["summary"]
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in document.items()
        }


def replay(
    model: str,
    version: int,
    *,
    against: int | None = None,
    store: str | os.PathLike[str] = "models/",
    recording: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    tolerance: float = 1e-3,
    progress: Callable[[int], None] | None = None,
) -> Replay:
    """Ask two versions the same recorded requests, in a server of this process that nobody else can reach.

    Args:
        model: its name in the store.
        version: the version in question.
        against: the one it is compared with; the newest before it when None.
        store: a directory, ``s3://…`` or ``gs://…`` with both versions.
        recording: a directory of recorded requests or one file of them (a warm-up file too); what a server with
            ``--state state/`` recorded of the model when None.
        limit: at most how many requests.
        tolerance: numbers as far apart as this, absolutely or as a part of the larger, count as the same.
        progress: told how many requests are done, after each.

    Returns:
        Agreement, errors and latencies. Both versions answer each request one after the other, each being the first
        in turn, so that neither has the warmer caches.

    Raises:
        NotFound: no recording, no such model or version.
        FailedPrecondition: a version does not load; the message says why.
        InvalidArgument: the versions are the same, or ``tolerance`` is negative.
    """
    if tolerance < 0:
        raise InvalidArgument(f"tolerance is {tolerance:g}; it must not be negative.")
    place = Path(recording) if recording is not None else recordings("state/", model)
    recorded = Recording(place)
    against = _against(model, version, against, store)
    comparison = Comparison((version, against), tolerance)
    with _served(model, store, (version, against)) as server:
        asker = Asker(server.grpc_url.removeprefix("grpc://"), model, _LONGEST_REQUEST_SECONDS)
        try:
            for number, one in enumerate(islice(recorded, limit)):
                order = (version, against) if number % 2 else (against, version)
                answered = {asked: asker.ask(one, asked) for asked in order}
                comparison.add(f"{one.file}#{one.number}", answered[version], answered[against])
                if progress is not None:
                    progress(number + 1)
        finally:
            asker.close()
    summary = comparison.summary()
    if not summary.requests:
        raise NotFound(f"There is no request in {place} that can be asked again.", hint="; ".join(recorded.unreadable))
    return Replay(model, version, against, str(place), summary, tuple(recorded.unreadable), recorded.skipped)


def _against(model: str, version: int, against: int | None, store: str | os.PathLike[str]) -> int:
    from taxiway.stores import Shelf, checked_name, open_store

    shelf = Shelf(open_store(store), checked_name(model))
    there = shelf.with_versions(version, *([] if against is None else [against]))
    if against is None:
        against = max((one for one in there if one < version), default=None)
        if against is None:
            raise NotFound(f"There is no version of {model} before {version}.", hint="--against says which.")
    if against == version:
        raise InvalidArgument(f"Version {version} is compared with itself.", hint="Give another --against.")
    return against


def _served(model: str, store: str | os.PathLike[str], versions: tuple[int, int]) -> ServeHandle:
    from taxiway.serve.api import serve

    source = f"{os.fspath(store).rstrip('/')}/{model}"
    handle = serve(
        {model: source}, rest_port=-1, admin_port=-1, wait_seconds=0, quiet_seconds=0.0, load_attempts=1,
        versions=list(versions),
    )  # fmt: skip
    try:
        handle.loop.wait_until(lambda models: _ended(models[model], versions), _LOAD_SECONDS)
        rows: dict[int, dict[str, Any]] = {one["version"]: one for one in handle.status(model)[0]["versions"]}
        for version in versions:
            row = rows.get(version, {"state": "NOT THERE", "note": ""})
            if row["state"] != "AVAILABLE":
                raise FailedPrecondition(f"Version {version} of {model} does not load: {row['note'] or row['state']}.")
    except BaseException:
        handle.stop()
        raise
    return handle


def _ended(model: Any, versions: tuple[int, int]) -> bool:
    """Whether each version serves, has failed, or is not whole in the store."""
    if model.observed is None:
        return False
    waiting = {found.version for found in model.observed.found if found.waiting}
    records = {version: model.records.get(version) for version in versions if version not in waiting}
    return all(one is not None and (one.error is not None or one.state.name == "AVAILABLE") for one in records.values())
