"""What became of answers, from a file: CSV, JSON, or a JSON object a line."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from taxiway.client import Feedback
from taxiway.errors import InvalidArgument, NotFound, TaxiwayError

__all__ = ["read_feedback"]

Malformed = Callable[[str, str], None]
_SAID = ("label", "value", "correct")
_KEYS = frozenset({"request_id", *_SAID})
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def read_feedback(name: str, malformed: Malformed) -> Iterator[Feedback]:
    """The feedback in a file, row by row, so that a long file is not in memory at once (JSON is).

    ``.csv`` has a header with ``request_id`` and one or more of ``label``, ``value`` and ``correct``; ``.jsonl`` an
    object with these keys a line; ``.json`` a list of such objects. Anything else, and ``-`` (standard input), is told
    by its first character.

    Args:
        name: the file.
        malformed: called with the place of a row that says nothing of use, such as ``line 7``, and what is wrong.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: it is none of these formats.
    """
    lines = _lines(name)
    first = next(lines, "")
    form = _FORMS.get(Path(name).suffix) or _form(first)
    yield from form(chain([first], lines), name, malformed)


def _lines(name: str) -> Iterator[str]:
    try:
        if name == "-":
            yield from sys.stdin
        else:
            with Path(name).open(encoding="utf-8-sig", newline="") as file:
                yield from file
    except FileNotFoundError:
        raise NotFound(f"There is no file {name}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{name} cannot be read: {error}") from None


def _form(first: str) -> Callable[[Iterable[str], str, Malformed], Iterator[Feedback]]:
    start = first.lstrip()[:1]
    return _json if start == "[" else _json_lines if start == "{" else _csv


def _csv(lines: Iterable[str], name: str, malformed: Malformed) -> Iterator[Feedback]:
    reader = csv.reader(lines)
    try:
        header = [column.strip() for column in next(reader, [])]
        if "request_id" not in header or not set(_SAID) & set(header) or len(set(header)) < len(header):
            raise InvalidArgument(
                f"{name} has no header with request_id and label, value or correct, each once.",
                hint="The first line of a CSV file may be: request_id,label",
            )
        for row in reader:
            where = f"line {reader.line_num}"
            if len(row) not in (0, len(header)):
                malformed(where, f"{len(row)} cells, and {len(header)} in the header")
            elif row:
                cells = {key: text.strip() for key, text in zip(header, row, strict=True) if key in _KEYS}
                yield from _checked({key: text for key, text in cells.items() if text}, where, malformed)
    except csv.Error as error:
        raise InvalidArgument(f"{name} is no CSV after line {reader.line_num}: {error}") from None


def _json_lines(lines: Iterable[str], _: str, malformed: Malformed) -> Iterator[Feedback]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            malformed(f"line {number}", f"not JSON: {error}")
        else:
            yield from _checked(document, f"line {number}", malformed)


def _json(lines: Iterable[str], name: str, malformed: Malformed) -> Iterator[Feedback]:
    try:
        documents = json.loads("".join(lines))
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{name} is not JSON: {error}", hint="An object a line goes by .jsonl.") from None
    if not isinstance(documents, list):
        raise InvalidArgument(f"{name} is no list of objects.", hint="An object a line goes by .jsonl.")
    for number, document in enumerate(documents, 1):
        yield from _checked(document, f"row {number}", malformed)


_FORMS = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json}


def _checked(document: Any, where: str, malformed: Malformed) -> Iterator[Feedback]:
    """The feedback of a row, when it is one."""
    try:
        yield _feedback(document, where)
    except TaxiwayError as error:
        malformed(where, error.message)


def _feedback(row: Any, where: str) -> Feedback:
    if not isinstance(row, Mapping):
        raise InvalidArgument("no object")
    request_id, label = row.get("request_id"), row.get("label")
    if not isinstance(request_id, str):
        raise InvalidArgument("no request_id, which is a text")
    if label is not None and not all(_is_label(one) for one in (label if isinstance(label, list) else [label])):
        raise InvalidArgument(f"label {label!r} is neither a whole number nor a text, nor a list of these")
    return Feedback(request_id, label, _number(row.get("value")), _truth(row.get("correct")), where)


def _is_label(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidArgument(f"value {value!r} is no finite number")
    return number


def _truth(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise InvalidArgument(f"correct {value!r} is neither true nor false")
    return text in _TRUE
