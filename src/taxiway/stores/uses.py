"""Marks of use: who serves which versions of a model, until when.

A server, or a rollout, writes one document under a name of its own and renews it; pruning leaves what they name. One
that ends without taking its mark away is believed until the mark's time is over. Times are the machines' own, so they
must agree within minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from taxiway.clock import Clock
from taxiway.errors import Aborted, AlreadyExists
from taxiway.stores.shelf import Shelf

__all__ = ["USE_SECONDS", "Use", "uses"]

USE_SECONDS = 900.0
"""How long a mark counts after it was written."""


class Use:
    """One holder's mark on a model's versions.

    Args:
        shelf: the model.
        holder: a name that nobody else has; letters, digits, ``.``, ``-``.
        clock: says when marks are old.
    """

    def __init__(self, shelf: Shelf, holder: str, clock: Clock) -> None:
        self._shelf = shelf
        self._name = shelf.ours("uses", f"{holder}.json")
        self._clock = clock
        self._versions: tuple[int, ...] = ()
        self._renew_at = 0.0

    def mark(self, versions: Iterable[int]) -> None:
        """Name the versions in use, all of them; writes only when they changed or the mark grows old.

        Raises:
            TaxiwayError: the store cannot be written. The mark before is still believed until its time is over.
        """
        named = tuple(sorted(set(versions)))
        now = self._clock.now()
        if named == self._versions and (not named or now < self._renew_at):
            return
        if not named:
            self.clear()
            return
        document = json.dumps({"versions": named, "until": now + USE_SECONDS}).encode()
        there = self._shelf.store.read(self._name)
        try:
            self._shelf.store.write(self._name, document, None if there is None else there.tag)
        except (Aborted, AlreadyExists):
            # Only a second process with our name would be that fast; it is marked then, by whichever came first.
            return
        self._versions, self._renew_at = named, now + USE_SECONDS / 3

    def clear(self) -> None:
        """Take the mark away."""
        self._versions = ()
        self._shelf.store.remove(self._name)


def uses(shelf: Shelf, now: float) -> dict[int, list[str]]:
    """Who uses which versions of a model.

    Args:
        shelf: the model.
        now: seconds since the epoch; marks whose time was over before do not count.
    """
    found: dict[int, list[str]] = {}
    for entry in shelf.store.entries(shelf.ours("uses")):
        document = shelf.store.read(shelf.ours("uses", entry.name))
        try:
            value: Any = json.loads(document.data) if document is not None else {"versions": [], "until": 0}
            versions, until = [int(version) for version in value["versions"]], float(value["until"])
        except (ValueError, KeyError, TypeError):
            continue  # half a document cannot be: it is no mark of ours
        for version in versions if until > now else []:
            found.setdefault(version, []).append(entry.name.removesuffix(".json"))
    return found
