"""A plan from a TOML file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from taxiway.errors import InvalidArgument, NotFound
from taxiway.rollout.parse import parse_plan
from taxiway.rollout.plan import RolloutPlan

__all__ = ["read_plan", "read_values"]


def read_plan(file: str | os.PathLike[str]) -> RolloutPlan:
    """The plan in ``file``, whose keys are :data:`taxiway.rollout.parse.KEYS`.

    Raises:
        NotFound: no such file.
        InvalidArgument: not TOML, or not a plan that can work.
    """
    return parse_plan(read_values(file), str(file))


def read_values(file: str | os.PathLike[str]) -> dict[str, object]:
    """What a plan's file says, not looked at any closer.

    Raises:
        NotFound: no such file.
        InvalidArgument: not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, object] = tomllib.loads(Path(file).read_text("utf-8"))
    except FileNotFoundError:
        raise NotFound(f"no such file: {file}", hint="a plan is a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file} is not TOML: {error}") from None
    except OSError as error:
        raise InvalidArgument(f"cannot read {file}: {error.strerror}") from None
    return values
