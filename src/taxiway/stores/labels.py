"""Labels: names for versions that are moved from one to the next, such as ``stable``.

One document a model holds them, changed by compare-and-swap, so of two that move a label at once the later one sees
what the earlier one did. It also names the versions that are being removed: a label cannot be put on one of these, and
a removal that someone's new label overtook looks again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from taxiway.errors import Aborted, AlreadyExists, DataLoss, FailedPrecondition, InvalidArgument, NotFound
from taxiway.stores.shelf import Shelf

__all__ = ["Labels", "change_labels", "read_labels", "resolve", "set_label"]

_FILE = "labels.json"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")
_NEWEST = "latest"
_TRIES = 20


@dataclass(frozen=True)
class Labels:
    """A model's labels, and the versions that are being removed."""

    versions: Mapping[str, int] = field(default_factory=dict)
    removing: frozenset[int] = frozenset()

    def of(self, version: int) -> list[str]:
        """The labels of a version, sorted."""
        return sorted(label for label, number in self.versions.items() if number == version)


def read_labels(shelf: Shelf) -> Labels:
    """A model's labels; none of an unknown model."""
    return _read(shelf)[0]


def set_label(shelf: Shelf, label: str, version: int | None, expected: int | None = None) -> Labels:
    """Put a label on a version, or (None) take it away.

    Args:
        shelf: the model.
        label: letters, digits, ``.``, ``_``, ``-``; it begins with a letter and is not ``latest``.
        version: a version that is there.
        expected: where the label must be now; None does not look.

    Raises:
        InvalidArgument: the label cannot be one.
        NotFound: there is no such version, or no such label to take away.
        FailedPrecondition: the version is being removed.
        Aborted: the label is elsewhere than ``expected``, or others keep changing it.
    """
    if not _NAME.fullmatch(label) or label == _NEWEST:
        raise InvalidArgument(f"{label!r} cannot be a label.", hint="Begin with a letter; 'latest' is the newest one.")
    if version is not None:
        shelf.name_of(version)

    def change(labels: Labels) -> Labels:
        there = labels.versions.get(label)
        if expected is not None and there != expected:
            raise Aborted(f"{label} of {shelf} is at {there or 'no version'}, not at {expected}.", hint="Look again.")
        if version is None and there is None:
            raise NotFound(f"{shelf} has no label {label}.", hint="taxiway versions label MODEL lists them.")
        if version in labels.removing:
            raise FailedPrecondition(f"Version {version} of {shelf} is being removed.")
        rest = {name: number for name, number in labels.versions.items() if name != label}
        return replace(labels, versions=rest if version is None else {**rest, label: version})

    return change_labels(shelf, change)


def change_labels(shelf: Shelf, change: Callable[[Labels], Labels]) -> Labels:
    """Replace the labels by what ``change`` makes of them; it is called again when another was faster.

    Raises:
        Aborted: others kept being faster.
    """
    for _ in range(_TRIES):
        labels, tag = _read(shelf)
        changed = change(labels)
        if changed == labels:
            return labels
        document = {"labels": dict(sorted(changed.versions.items())), "removing": sorted(changed.removing)}
        try:
            shelf.store.write(shelf.ours(_FILE), json.dumps(document, indent=2).encode() + b"\n", tag)
            return changed
        except (Aborted, AlreadyExists):
            continue
    raise Aborted(f"The labels of {shelf} are changed by others all the time.", hint="Try again.")


def resolve(shelf: Shelf, version: str | int | None) -> int:
    """The number of what people call a version: a number, a label, or (None or ``latest``) the newest one.

    Raises:
        NotFound: there is no such version.
    """
    if version is None or version == _NEWEST:
        newest = shelf.versions()[:1]
        if not newest:
            raise NotFound(f"There is no version in {shelf}.", hint="taxiway versions list MODEL")
        return newest[0]
    if isinstance(version, int) or version.isdecimal():
        return int(version)
    labels = read_labels(shelf).versions
    if version not in labels:
        known = ", ".join(sorted(labels))
        raise NotFound(f"{shelf} has no label {version}.", hint=f"It has {known}." if known else "It has none.")
    return labels[version]


def _read(shelf: Shelf) -> tuple[Labels, str | None]:
    document = shelf.store.read(shelf.ours(_FILE))
    if document is None:
        return Labels(), None
    try:
        value = json.loads(document.data)
        versions = {str(label): int(number) for label, number in value["labels"].items()}
        return Labels(versions, frozenset(map(int, value["removing"]))), document.tag
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataLoss(f"{shelf.store.location}/{shelf.ours(_FILE)} holds no labels.") from None
