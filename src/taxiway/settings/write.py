"""Changing a few settings in the text of a ``taxiway.toml`` and keeping the rest: comments, order, blank lines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["changed", "toml"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def changed(text: str, section: Sequence[str], values: Mapping[str, Any]) -> str:
    """The text with these values in a section, which is added at the end when it is not there.

    Args:
        text: TOML.
        section: the parts of its name: ``("models", "digits")``.
        values: texts, numbers, booleans, lists and tables of them.

    Raises:
        InvalidArgument: ``text`` is no TOML.
        FailedPrecondition: it is written in a way that this cannot change, such as a value over several lines; the hint
            says what to write.
    """
    before = _parsed(text)
    lines = text.splitlines()
    wanted = {name: f"{_key(name)} = {toml(value)}" for name, value in values.items()}
    place = next((at for at, line in enumerate(lines) if _header(line) == list(section)), None)
    if place is None:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += [*([""] if lines else []), f"[{'.'.join(map(_key, section))}]", *wanted.values()]
    else:
        lines = [*lines[: place + 1], *_in_section(lines[place + 1 :], wanted)]
    result = "\n".join(lines) + "\n"
    try:
        is_right = tomllib.loads(result) == _with(before, section, values)
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        name = ".".join(map(_key, section))
        raise FailedPrecondition(
            f"[{name}] is written in a way that cannot be changed without rewriting it.",
            hint=f"Write by hand, under [{name}]: {'; '.join(wanted.values())}",
        )
    return result


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    # JSON's strings are TOML's basic strings, as far as control characters are escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)


def _in_section(lines: Sequence[str], wanted: Mapping[str, str]) -> list[str]:
    """The lines after a section's header, with its values changed, and new ones after its last."""
    end = next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    own, left = list(lines[:end]), dict(wanted)
    for at, line in enumerate(own):
        name = _assigned(line)
        if name in left:
            own[at] = left.pop(name) + _comment(line)
    # A comment at the end is the next section's.
    last = (
        max((at for at, line in enumerate(own) if line.strip() and not line.lstrip().startswith("#")), default=-1) + 1
    )
    return [*own[:last], *left.values(), *own[last:], *lines[end:]]


def _assigned(line: str) -> str | None:
    """The key of ``key = value``; None of any other line."""
    head, equals, _ = line.partition("=")
    if not equals or head.lstrip().startswith("#"):
        return None
    try:
        (name,) = tomllib.loads(f"{head} = 0")
    except (tomllib.TOMLDecodeError, ValueError):
        return None
    return name


def _comment(line: str) -> str:
    """What stands behind the value of ``key = value  # why``, with the blanks before it."""
    for at, character in enumerate(line):
        if character == "#":
            try:
                tomllib.loads(line[:at])
            except tomllib.TOMLDecodeError:
                continue
            return line[len(line[:at].rstrip()) :]
    return ""


def _header(line: str) -> list[str] | None:
    """The parts of a section's name; None of a line that is no header."""
    if not line.lstrip().startswith("["):
        return None
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    parts = []
    while isinstance(found, dict) and found:
        (name, found) = next(iter(found.items()))
        parts.append(name)
    return parts if found == {} else None


def _with(document: Mapping[str, Any], section: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    if not section:
        plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
        return {**document, **plain}
    inner = document.get(section[0], {})
    if not isinstance(inner, dict):
        return {}
    return {**document, section[0]: _with(inner, section[1:], values)}


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"It is not TOML: {error}.") from None


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml(name)
