"""The server's marks of use on the versions it holds, so that pruning leaves them; see :mod:`taxiway.stores.uses`."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

from taxiway.clock import Clock
from taxiway.errors import TaxiwayError
from taxiway.serve.cloud import Cache
from taxiway.serve.fleet import Model
from taxiway.serve.lifecycle import State
from taxiway.serve.loop import Loop
from taxiway.stores import Shelf, Use, is_cloud, open_store

__all__ = ["Holding", "Marks", "in_use"]

log = logging.getLogger(__name__)

_CLEAR_SECONDS = 5.0
# A store that is away must not hold up the looks at other models again and again.
_AGAIN_SECONDS = 60.0


def in_use(model: Model) -> frozenset[int]:
    """The versions of a model that are in memory or on their way, or that an operator went back to. Pure."""
    held = {version for version, record in model.records.items() if record.state is not State.END}
    pinned = {model.state.pin.version} if model.state.pin else set()
    return frozenset(held | pinned | model.loaded.keys())


class Marks:
    """One server's marks, a document in each model's place; after :meth:`clear` none is written.

    A directory that Taxiway never published to is not written to. A store that may only be read is served from all the
    same; that is said once.

    Args:
        clock: says when marks grow old.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        # A look may be under way while the server stops: what it marked late, nobody would take away.
        self._marking = threading.Lock()
        self._over = False
        self._uses: dict[str, Use] = {}
        self._not_before: dict[str, float] = {}

    def renew(self, used: Mapping[str, frozenset[int]]) -> None:
        """Mark, at each source, the versions in use."""
        for source, versions in used.items():
            with self._marking:
                if not self._over:
                    self._mark(source, versions)

    def _mark(self, source: str, versions: frozenset[int]) -> None:
        if self._clock.monotonic() < self._not_before.get(source, 0.0) or not _is_ours(source):
            return
        try:
            if source not in self._uses:
                self._uses[source] = Use(Shelf(open_store(source, self._clock), ""), self._holder, self._clock)
            self._uses[source].mark(versions)
        except TaxiwayError as error:
            away = error.kind == "UNAVAILABLE"
            self._not_before[source] = self._clock.monotonic() + _AGAIN_SECONDS if away else float("inf")
            log.info("Use cannot be marked, so pruning may remove what serves: %s", error.message)

    def clear(self) -> None:
        """Take the marks away; a store that does not answer is not waited for long: its mark grows old by itself."""
        self._over = True
        thread = threading.Thread(target=self._clear, name="taxiway-marks", daemon=True)
        thread.start()
        thread.join(_CLEAR_SECONDS)

    def _clear(self) -> None:
        with self._marking:
            for use in self._uses.values():
                try:
                    use.clear()
                except TaxiwayError as error:
                    log.info("A mark of use stays until its time is over: %s", error.message)


class Holding:
    """What a loop holds, told to the stores and to the cache by the thread that looks.

    Args:
        loop: whose models.
        marks: where it is marked.
        cache: what is no longer held may leave it.
    """

    def __init__(self, loop: Loop, marks: Marks, cache: Cache) -> None:
        self._loop = loop
        self._marks = marks
        self._cache = cache
        self._used: dict[str, frozenset[int]] = {}

    def renew(self) -> None:
        """Mark what was held at the last look, tidy the cache, and ask what is held now."""
        self._marks.renew(self._used)
        for source, used in self._used.items():
            if is_cloud(source):
                self._cache.tidy(source, used)
        self._loop.post(self._note)

    def clear(self) -> None:
        """Take the marks away."""
        self._marks.clear()

    def _note(self) -> None:
        self._used = {model.settings.source.rstrip("/"): in_use(model) for model in self._loop.models.values()}


def _is_ours(source: str) -> bool:
    """Whether marks may be written there: a directory that Taxiway never published to stays as it is."""
    return is_cloud(source) or (Path(source) / ".taxiway").is_dir()
