"""What ``train`` and ``tune`` share: a job's parameters, and what may stand beside ``--resume``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from taxiway.errors import InvalidArgument, NotFound

__all__ = ["job_params", "refuse_beside_resume"]


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
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"There is no file {file}.", hint="--params params.toml, or --param NAME=VALUE") from None
        except UnicodeDecodeError:
            raise InvalidArgument(f"{file} is no text.", hint="It must be TOML: rate = 0.001") from None
    for pair in given:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise InvalidArgument(f"{pair!r} is not NAME=VALUE.", hint="--param rate=0.001")
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
        raise InvalidArgument(f"{where} is no TOML: {error}.", hint="rate = 0.001") from None


def refuse_beside_resume(*allowed: str) -> None:
    """Hold a command with ``--resume`` to options that do not change what is trained.

    What was asked for stands in the run or the study; another value beside ``--resume`` would be ignored in silence.

    Args:
        allowed: names of the parameters that may be given beside ``resume`` and ``as_json``.

    Raises:
        InvalidArgument: another one is on the command line.
    """
    context = click.get_current_context()
    for one in context.command.params:
        name = one.name or ""
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if typed and name not in (*allowed, "resume", "as_json"):
            said = one.opts[0] if isinstance(one, click.Option) else name.upper()
            raise InvalidArgument(
                f"{said} cannot be given with --resume, which goes on with what was asked for.",
                hint="Leave one of the two out.",
            )
