"""tensorflow_model_server's command-line syntax: ``--flag=value`` and nothing else.

A boolean may stand bare. ``--flag value``, ``-flag=value``, names that are not in the table and everything from ``--``
on are unknown arguments; they do not stop the server.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from taxiway.serve.tfserving.flags import FLAGS, Flag, Type, Value, defaults

__all__ = ["Arguments", "parse", "usage"]

_INTEGER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+")
_FLOAT = re.compile(r"[ \t\n\v\f\r]*[+-]?(inf(inity)?|nan|([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?)", re.IGNORECASE)
_BITS = {Type.INT32: 31, Type.INT64: 63}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_FLAG_BY_NAME = {flag.name: flag for flag in FLAGS}


@dataclass(frozen=True)
class Arguments:
    """A parsed command line.

    Attributes:
        values: the value of every flag, its default when it was not given.
        unknown: arguments that are no flags, in order.
        errors: one sentence for each value that does not fit its flag's type.
    """

    values: dict[str, Value]
    unknown: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def wants_help(self) -> bool:
        """Whether the first unknown argument is ``--help``; anywhere else it is only unknown."""
        return self.unknown[:1] == ("--help",)


def parse(argv: Sequence[str]) -> Arguments:
    """Read ``argv``, the arguments after the program's name. The last of a repeated flag holds."""
    values = defaults()
    unknown: list[str] = []
    errors: list[str] = []
    for position, argument in enumerate(argv):
        if argument == "--":
            unknown.extend(argv[position:])
            break
        name, equals, text = argument.removeprefix("--").partition("=")
        flag = _FLAG_BY_NAME.get(name) if argument.startswith("--") else None
        if flag is None or (not equals and flag.type is not Type.BOOL):
            unknown.append(argument)
            continue
        value = _value(flag, text) if equals else True
        if value is None:
            errors.append(f"Couldn't interpret value {text} for flag {name}.")
        else:
            values[name] = value
    return Arguments(values, tuple(unknown), tuple(errors))


def _value(flag: Flag, text: str) -> Value | None:
    """``text`` as a value of the flag's type; None when it is not one."""
    if flag.type is Type.STRING:
        return text
    if flag.type is Type.BOOL:
        return _BOOLEANS.get(text.lower())
    if flag.type is Type.FLOAT:
        return float(text) if _FLOAT.fullmatch(text) and not math.isnan(float(text)) else None
    if not _INTEGER.fullmatch(text):
        return None
    number, limit = int(text), 1 << _BITS[flag.type]
    return number if -limit <= number < limit else None


def usage(program: str) -> str:
    """The usage text, in the layout of TensorFlow's command-line library."""
    rows = "".join(f"\t{_shown(flag):<33}\t{flag.type.value}\t{flag.sentence}\n" for flag in FLAGS)
    return f"usage: {program}\nFlags:\n{rows}"


def _shown(flag: Flag) -> str:
    value = flag.value
    if isinstance(value, bool):
        return f"--{flag.name}={str(value).lower()}"
    if isinstance(value, float):
        return f"--{flag.name}={value:f}"
    return f'--{flag.name}="{value}"' if isinstance(value, str) else f"--{flag.name}={value}"
