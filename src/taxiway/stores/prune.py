"""Retention: which old versions go, and the going."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from taxiway.clock import Clock
from taxiway.errors import InvalidArgument
from taxiway.stores.labels import Labels, change_labels, read_labels
from taxiway.stores.shelf import Shelf
from taxiway.stores.uses import uses

__all__ = ["Verdict", "judge", "prune"]

_ABANDONED_SECONDS = 86_400


@dataclass(frozen=True)
class Verdict:
    """What becomes of a version, and why."""

    version: int
    removed: bool
    why: str


def judge(versions: Collection[int], keep: int, labels: Labels, used: Mapping[int, list[str]]) -> list[Verdict]:
    """Say of each version whether it goes, the newest first. Pure."""
    verdicts = []
    for place, version in enumerate(sorted(versions, reverse=True)):
        if place < keep:
            verdicts.append(Verdict(version, False, "among the newest"))
        elif labels.of(version):
            verdicts.append(Verdict(version, False, f"labelled {', '.join(labels.of(version))}"))
        elif version in used:
            verdicts.append(Verdict(version, False, f"in use by {', '.join(used[version])}"))
        else:
            verdicts.append(Verdict(version, True, "old"))
    return verdicts


def prune(shelf: Shelf, keep: int, clock: Clock, *, dry_run: bool = False) -> list[Verdict]:
    """Remove a model's versions but the newest ``keep`` and those that have a label or are in use.

    Versions that Taxiway did not publish are left alone and not counted. What publishers left behind that were killed
    goes after a day.

    Args:
        shelf: the model.
        keep: how many of the newest stay, 1 at least.
        clock: says which marks of use still count.
        dry_run: only say what would be done.

    Returns:
        What became of each version, the newest first.

    Raises:
        InvalidArgument: ``keep`` is less than 1.
    """
    if keep < 1:
        raise InvalidArgument(f"{keep} versions cannot be kept.", hint="The newest one always stays: --keep 1.")
    versions = shelf.marked()
    left = _left_behind(shelf, versions, clock.now())
    verdicts = judge(versions, keep, read_labels(shelf), uses(shelf, clock.now()))
    if not dry_run:
        verdicts = _announced(shelf, versions, keep, clock)
        _remove(shelf, [one.version for one in verdicts if one.removed] + left)
    return verdicts + [Verdict(version, True, "never finished") for version in left]


def _announced(shelf: Shelf, versions: Collection[int], keep: int, clock: Clock) -> list[Verdict]:
    """Judge under the labels as they are when the removal is written down, then look at the uses once more."""
    judged: list[Verdict] = []

    def announce(labels: Labels) -> Labels:
        judged[:] = judge(versions, keep, labels, uses(shelf, clock.now()))
        return replace(labels, removing=labels.removing | {one.version for one in judged if one.removed})

    labels = change_labels(shelf, announce)
    after = judge(versions, keep, labels, uses(shelf, clock.now()))
    _forget(shelf, {one.version for one in judged if one.removed} - {one.version for one in after if one.removed})
    return after


def _remove(shelf: Shelf, versions: Collection[int]) -> None:
    numbered = shelf.numbered()
    for version in versions:
        if version in numbered:
            shelf.store.remove(shelf.at(numbered[version]))
    _forget(shelf, set(versions) | (read_labels(shelf).removing - set(numbered)))


def _forget(shelf: Shelf, versions: Collection[int]) -> None:
    """Take versions off the list of what is being removed."""
    if read_labels(shelf).removing & set(versions):
        change_labels(shelf, lambda labels: replace(labels, removing=labels.removing - set(versions)))


def _left_behind(shelf: Shelf, whole: Collection[int], now: float) -> list[int]:
    """The claimed numbers under which something stands that is not whole and has not changed for a day."""
    found = []
    for version in sorted((shelf.claims() & set(shelf.numbered())) - set(whole), reverse=True):
        files = shelf.store.entries(shelf.at(shelf.name_of(version)), deep=True)
        if all(now - file.modified_at > _ABANDONED_SECONDS for file in files):
            found.append(version)
    return found
