"""Sources in object stores: what watches them, and the cache that their versions are brought to before they load."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from pathlib import Path

from taxiway.clock import Clock
from taxiway.errors import Internal, TaxiwayError
from taxiway.serve.artifacts import Listings
from taxiway.serve.plan import Found
from taxiway.serve.source import Observation, ReadLabels
from taxiway.settings import ServerSettings, in_database
from taxiway.stores import MANIFEST_FILE, Entry, Shelf, cached_versions, is_cloud, open_store, pull, pull_artifacts

__all__ = ["Cache", "StoreSource", "cache_root"]

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
_SILENT_SECONDS = 30.0
_SPARE_VERSIONS = 2
_LISTINGS = 4
# A version that was just brought is on its way into memory, though nothing says yet that it is used.
_FRESH_SECONDS = 600.0


def cache_root(settings: ServerSettings) -> Path:
    """Where versions of object stores are kept: as the settings say, in the state directory, or in the user's cache."""
    if settings.cache:
        return Path(settings.cache)
    if settings.state and not in_database(settings.state):
        return Path(settings.state) / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taxiway"


class Cache:
    """Versions on this machine's disk, a folder for each source.

    Args:
        root: the directory; made when the first version comes.
        clock: says how long ago a version came.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._brought: dict[Path, float] = {}

    def bring(self, path: str) -> str:
        """A local directory with the version at ``path``; of a path on this machine, the path.

        Raises:
            TaxiwayError: as :func:`taxiway.stores.pull` says.
        """
        if not is_cloud(path):
            return path
        location, _, number = path.rpartition("/")
        local = self.folder(location) / number
        self._brought[local] = self._clock.monotonic()
        return str(pull(Shelf(open_store(location, self._clock), ""), int(number), local.parent))

    def folder(self, location: str) -> Path:
        """The folder of one source: readable, and different for each."""
        digest = hashlib.sha256(location.encode()).hexdigest()[:8]
        return self._root / f"{re.sub('[^A-Za-z0-9.]+', '-', location)[-80:].strip('-')}-{digest}"

    def tidy(self, location: str, used: Collection[int]) -> None:
        """Remove the versions of a source that are not used, but the newest few and those that just came."""
        folder = self.folder(location)
        spare = [version for version in cached_versions(folder) if version not in used]
        for version in spare[_SPARE_VERSIONS:]:
            local = folder / str(version)
            if self._clock.monotonic() - self._brought.get(local, float("-inf")) > _FRESH_SECONDS:
                shutil.rmtree(local, ignore_errors=True)
                (folder / f".pulled-{version}.json").unlink(missing_ok=True)


class StoreSource:
    """A model in an object store, its versions right under ``location``.

    A look asks the store in a thread of its own and waits for it a moment only: a store that hangs keeps no other
    model from being looked at. What the store last said holds until it says something else. After each look the same
    thread brings the artefacts of versions that were pulled, which nothing waits for.

    Args:
        location: ``s3://bucket/…/MODEL`` or ``gs://…``.
        settings: how often to ask, and how long a version without a manifest must not have changed.
        cache: says what can be served while the store has not answered yet.
        clock: time.
        labels: says how the labels of the versions are read, if at all.
    """

    def __init__(
        self, location: str, settings: ServerSettings, cache: Cache, clock: Clock, labels: ReadLabels | None = None
    ) -> None:
        self.path = location
        self._labels = labels
        self._url = location.rstrip("/")
        self._every_seconds = settings.store_poll_seconds
        self._quiet_seconds = settings.quiet_seconds
        self._cache = cache
        self._clock = clock
        self._shelf: Shelf | None = None
        self._whole: set[int] = set()
        self._listings = Listings(f"it is kept in {self._url}, and was not brought here yet")
        self._offers = settings.artifacts
        self._bringing = threading.Lock()
        self._refused: dict[int, str] = {}
        self._seen: dict[int, tuple[tuple[Entry, ...], float]] = {}
        self._asked: Future[Observation] | None = None
        self._asked_at = float("-inf")
        self._last: Observation | None = None
        self._said = ""

    def look(self) -> Observation:
        """The versions there, as far as the store has answered."""
        now = self._clock.monotonic()
        if self._asked is None and now - self._asked_at >= self._every_seconds:
            self._asked_at, self._asked = now, Future()
            threading.Thread(target=self._ask, args=[self._asked], name="taxiway-look", daemon=True).start()
        if self._asked is not None:
            try:
                self._last = self._merged(self._asked.result(_ANSWER_SECONDS))
                self._asked = None
            except FutureTimeout:
                if now - self._asked_at > _SILENT_SECONDS:
                    self._last = self._merged(Observation(problem=f"{self._url} does not answer"))
        return self._last or Observation(self._cached(), "the store has not answered yet")

    def _ask(self, answer: Future[Observation]) -> None:
        try:
            found = self._found()
            answer.set_result(Observation(found, labels=self._labels() if self._labels is not None else {}))
        except TaxiwayError as error:
            answer.set_result(Observation(problem=error.message))
        except Exception as error:  # the one who waits for the answer must get one
            log.exception("Looking at %s failed.", self._url)
            answer.set_result(Observation(problem=Internal(f"{type(error).__name__}: {error}").message))
        else:
            self._bring_artifacts(found)

    def _bring_artifacts(self, found: tuple[Found, ...]) -> None:
        """Bring what the manifests of pulled versions list by now; what goes wrong is said once, and tried again."""
        shelf = self._shelf
        if not self._offers or shelf is None or not self._bringing.acquire(blocking=False):
            return
        try:
            folder = self._cache.folder(self._url)
            for version in sorted({one.version for one in found if not one.waiting} & {*cached_versions(folder)}):
                try:
                    if pull_artifacts(shelf, version, folder):
                        log.info("The artefacts of %s/%d are here.", self._url, version)
                    self._refused.pop(version, None)
                except TaxiwayError as error:
                    if self._refused.get(version) != error.message:
                        log.warning("The artefacts of %s/%d are not all here: %s", self._url, version, error.message)
                    self._refused[version] = error.message
        finally:
            self._bringing.release()

    def _merged(self, seen: Observation) -> Observation:
        """``seen``, or while there is a problem what was known before; each change is said once."""
        if seen.problem and not self._said:
            log.warning("%s; what serves goes on serving.", seen.problem)
        elif not seen.problem and self._said:
            log.info("%s can be reached again.", self._url)
        self._said = seen.problem
        if not seen.problem:
            return seen
        if self._last is None:
            return Observation(self._cached(), seen.problem)
        return Observation(self._last.found, seen.problem, self._last.labels)

    def _cached(self) -> tuple[Found, ...]:
        return tuple(map(self._one, sorted(cached_versions(self._cache.folder(self._url)))))

    def _one(self, version: int, waiting: str = "") -> Found:
        """A version; its artefacts are those that the manifest in the cache lists."""
        local = self._cache.folder(self._url) / str(version)
        return Found(version, f"{self._url}/{version}", waiting, self._listings.of(local))

    def _found(self) -> tuple[Found, ...]:
        shelf = self._shelf = self._shelf or Shelf(open_store(self._url, self._clock), "")
        numbered = shelf.numbered()
        self._whole &= set(numbered)
        unknown = set(numbered) - self._whole
        if unknown:
            self._sort(shelf, {number: numbered[number] for number in unknown})
        waiting = {version: "" if version in self._whole else self._reason(shelf, version) for version in numbered}
        return tuple(self._one(version, waiting[version]) for version in sorted(numbered))

    def _sort(self, shelf: Shelf, unknown: dict[int, str]) -> None:
        """Tell the whole ones from the others, and remember how these look."""
        claims, now = shelf.claims(), self._clock.monotonic()
        for number, entries in _files(shelf, unknown).items():
            if any(entry.name == MANIFEST_FILE for entry in entries):
                self._whole.add(number)
                self._seen.pop(number, None)
            elif number not in claims:
                before = self._seen.get(number)
                since = before[1] if before is not None and before[0] == tuple(entries) else now
                self._seen[number] = (tuple(entries), since)
                if not self._plain_problem(number):
                    self._whole.add(number)

    def _reason(self, shelf: Shelf, version: int) -> str:
        """Why a version may not be loaded yet."""
        if version in self._seen:
            return f"copying: {self._plain_problem(version)}"
        return f"publishing: {MANIFEST_FILE} is not there yet"

    def _plain_problem(self, version: int) -> str:
        """What keeps a version that Taxiway did not publish from being loaded; empty when nothing does."""
        entries, since = self._seen[version]
        names = {entry.name for entry in entries}
        if not names & {"saved_model.pb", "model.tflite"}:
            return "no saved_model.pb and no model.tflite yet"
        weights = {name for name in names if name.startswith("variables/")}
        if weights and ("variables/variables.index" not in weights or len(weights) < 2):
            return "variables are not all there yet"
        old = self._clock.now() - max(entry.modified_at for entry in entries) >= self._quiet_seconds
        if not old and self._clock.monotonic() - since < self._quiet_seconds:
            return f"changed less than {self._quiet_seconds:g} s ago"
        return ""


def _files(shelf: Shelf, versions: dict[int, str]) -> dict[int, list[Entry]]:
    """The files of versions; one listing of everything when there are many, as at the first look."""
    if len(versions) <= _LISTINGS:
        return {number: shelf.store.entries(name, deep=True) for number, name in versions.items()}
    numbers = {name: number for number, name in versions.items()}
    found: dict[int, list[Entry]] = {number: [] for number in versions}
    for entry in shelf.store.entries("", deep=True):
        folder, _, rest = entry.name.partition("/")
        if folder in numbers:
            found[numbers[folder]].append(replace(entry, name=rest))
    return found
