"""Parameters of a job on the command line: a TOML file, and ``NAME=VALUE`` pairs over it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound

__all__ = ["job_params"]


def job_params(file: Path | None, given: Sequence[str]) -> dict[str, Any]:
    """The parameters.

    Args:
        file: TOML, or None.
        given: ``rate=0.1``: a value is read as TOML, and is a text when it is none.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: the file is no TOML, or a pair is none.
    """
    params: dict[str, Any] = {}
    if file is not None:
        try:
            params = _toml(file.read_text(encoding="utf-8"), str(file))
        except FileNotFoundError:
            raise NotFound(f"There is no file {file}.") from None
    for pair in given:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise InvalidArgument(f"{pair!r} is not NAME=VALUE.")
        try:
            params[name] = _toml(f"value = {text}", pair)["value"]
        except InvalidArgument:
            params[name] = text
    return params


def _toml(text: str, where: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{where} is no TOML: {error}.") from None
