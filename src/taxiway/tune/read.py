"""A space as people write it: a TOML file, or a dictionary of the same shape.

    [rate]
    type = "float"
    low = 1e-4
    high = 1e-1
    log = true

    [goal]
    metric = "val_accuracy"
    direction = "maximize"

``goal``, ``budget`` and ``search`` are tables of the study; every other table is a parameter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound
from taxiway.tune.description import Budget, Goal, Search
from taxiway.tune.keys import check_keys
from taxiway.tune.space import Space

__all__ = ["Declaration", "read_declaration"]

_TABLES: dict[str, Any] = {"goal": Goal, "budget": Budget, "search": Search}


@dataclass(frozen=True)
class Declaration:
    """What a file or a dictionary declares; ``budget`` and ``search`` hold what was written, to be merged."""

    space: Space
    goal: Goal | None = None
    budget: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)


def read_declaration(source: str | os.PathLike[str] | Mapping[str, Any] | Space) -> Declaration:
    """What a space's source declares.

    Args:
        source: a TOML file's path, a dictionary of the same shape, or a :class:`Space`.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: a mistake, named by table and key.
    """
    if isinstance(source, Space):
        return Declaration(source)
    if isinstance(source, Mapping):
        return _declared(source)
    path = Path(source)
    try:
        return _declared(_toml(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(f"There is no file {path}.", hint="--space space.toml; see docs/guides/tune.md") from None
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path} is no text.") from None
    except InvalidArgument as error:
        raise InvalidArgument(f"{path}: {error.message}", hint=error.hint) from None


def _declared(document: Mapping[str, Any]) -> Declaration:
    tables: dict[str, Any] = {}
    for name, make in _TABLES.items():
        given = document.get(name)
        if given is None or (isinstance(given, Mapping) and "type" in given):
            continue
        if not isinstance(given, Mapping):
            raise InvalidArgument(f"{name} is {given!r}, not a table.")
        known = [one.name for one in fields(make)]
        check_keys(given, known, f"[{name}]")
        missing = [key for key in known if name == "goal" and key not in given]
        if missing:
            raise InvalidArgument(f"[{name}] has no {missing[0]}.", hint=f"It has {' and '.join(known)}.")
        try:
            made = make(**given)
        except InvalidArgument as error:
            raise InvalidArgument(f"[{name}] {error.message}", hint=error.hint) from None
        tables[name] = made if name == "goal" else dict(given)
    return Declaration(Space({name: one for name, one in document.items() if name not in tables}), **tables)


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"it is no TOML: {error}.") from None
