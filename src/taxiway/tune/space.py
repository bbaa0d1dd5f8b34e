"""The declared space: which parameters a study may choose, and from what. Values and checks only; no Optuna."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from taxiway.errors import InvalidArgument
from taxiway.train.request import nearest
from taxiway.tune.keys import check_keys

__all__ = ["Choice", "Float", "Int", "Parameter", "Space"]

MAX_POINTS = 100_000
_DIGITS = 12


@dataclass(frozen=True)
class Float:
    """A real number.

    Args:
        low: the least value.
        high: the greatest value, which is included.
        log: whether equal ratios, not equal differences, are equally likely.
        step: only ``low``, ``low + step``, … up to ``high``.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _finite(name, getattr(self, name)))
        _check_range(self.low, self.high, self.log)
        if self.step is not None:
            object.__setattr__(self, "step", _finite("step", self.step))
            _check_step(self.step, self.log, stepped=True)
            if self.step > self.high - self.low:
                raise InvalidArgument(f"step is {self.step}; from {self.low} to {self.high} there is no room for it.")

    def values(self) -> tuple[float, ...] | None:
        """Every value, in order; None without a step, when there are too many to say."""
        if self.step is None:
            return None
        count = math.floor((self.high - self.low) / self.step + 1e-9)
        # 0.1 + 2 × 0.1 is 0.30000000000000004 to a machine, and 0.3 to everyone else.
        return tuple(round(self.low + number * self.step, _DIGITS) for number in range(count + 1))

    def cast(self, value: Any) -> float:
        """A suggested value as the job gets it: on its step, without the dust of binary fractions."""
        if self.step is None:
            return float(value)
        return round(self.low + round((float(value) - self.low) / self.step) * self.step, _DIGITS)


@dataclass(frozen=True)
class Int:
    """A whole number.

    Args:
        low: the least value.
        high: the greatest value, which is included.
        log: whether equal ratios are equally likely.
        step: only ``low``, ``low + step``, … up to ``high``.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidArgument(f"{name} is {value!r}, not a whole number.")
        _check_range(self.low, self.high, self.log)
        _check_step(self.step, self.log, stepped=self.step != 1)
        if self.step > self.high - self.low:
            raise InvalidArgument(f"step is {self.step}; from {self.low} to {self.high} there is no room for it.")

    def values(self) -> tuple[int, ...]:
        """Every value, in order."""
        return tuple(range(self.low, self.high + 1, self.step))

    def cast(self, value: Any) -> int:
        """A suggested value as the job gets it."""
        return round(float(value))


@dataclass(frozen=True)
class Choice:
    """One of several values: texts, numbers, booleans or None.

    Args:
        values: at least one, none of them twice.
    """

    options: tuple[Any, ...]

    def __init__(self, values: Any) -> None:
        if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
            raise InvalidArgument(f"values is {values!r}, not a list.")
        options = tuple(values)
        if not options:
            raise InvalidArgument("values is empty; there is nothing to choose from.")
        for number, value in enumerate(options):
            plain = value is None or isinstance(value, (bool, int, float, str))
            if not plain or (isinstance(value, float) and not math.isfinite(value)):
                raise InvalidArgument(f"values holds {value!r}; a value is a text, a number, a boolean or None.")
            if value in options[:number]:
                raise InvalidArgument(f"values holds {value!r} twice.")
        object.__setattr__(self, "options", options)

    def values(self) -> tuple[Any, ...]:
        """Every value, as declared."""
        return self.options

    def cast(self, value: Any) -> Any:
        """A suggested value as it was declared: ``16``, where a storage made it ``16.0``."""
        return next((one for one in self.options if one == value), value)


Parameter: TypeAlias = Float | Int | Choice

# type in a file: (class, the keys it may have, those it must have)
_TYPES: dict[str, tuple[Any, tuple[str, ...], tuple[str, ...]]] = {
    "float": (Float, ("low", "high", "log", "step"), ("low", "high")),
    "int": (Int, ("low", "high", "log", "step"), ("low", "high")),
    "choice": (Choice, ("values",), ("values",)),
}


@dataclass(frozen=True)
class Space:
    """The parameters of a study, by name.

    Args:
        parameters: :class:`Float`, :class:`Int` and :class:`Choice`, or their documents:
            ``{"type": "float", "low": 1e-4, "high": 0.1, "log": True}``.
    """

    parameters: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        if not self.parameters:
            raise InvalidArgument("The space has no parameters.", hint='[rate]  type = "float"  low = 1e-4  high = 0.1')
        read = {}
        given_parameters: Mapping[str, Any] = self.parameters
        for name, one in given_parameters.items():
            given: object = name
            if not isinstance(given, str) or not given or any(each.isspace() for each in name):
                raise InvalidArgument(f"{name!r} cannot be a parameter's name.", hint="A text without spaces.")
            read[name] = one if isinstance(one, (Float, Int, Choice)) else _read(name, one)
        object.__setattr__(self, "parameters", read)

    def cast(self, suggested: Mapping[str, Any]) -> dict[str, Any]:
        """Suggested values as the job gets them, in the order of the space."""
        return {name: one.cast(suggested[name]) for name, one in self.parameters.items() if name in suggested}

    def size(self) -> int:
        """How many points the grid has.

        Raises:
            InvalidArgument: a parameter has no steps, or there are more points than a study can have.
        """
        points = 1
        for name, one in self.parameters.items():
            values = one.values()
            if values is None:
                raise InvalidArgument(
                    f"A grid needs steps; {name} has none.", hint=f"[{name}]  step = …, or another algorithm"
                )
            points *= len(values)
        if points > MAX_POINTS:
            raise InvalidArgument(f"The grid has {points:,} points.", hint=f"At most {MAX_POINTS:,}: larger steps.")
        return points

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every point of the grid; the last parameter changes first."""
        self.size()
        names = list(self.parameters)
        for point in itertools.product(*(one.values() or () for one in self.parameters.values())):
            yield dict(zip(names, point, strict=True))

    def as_json(self) -> dict[str, Any]:
        """The space as its document."""
        return {name: _document(one) for name, one in self.parameters.items()}


def _document(one: Parameter) -> dict[str, Any]:
    if isinstance(one, Choice):
        return {"type": "choice", "values": list(one.options)}
    document = {"type": "float" if isinstance(one, Float) else "int", "low": one.low, "high": one.high}
    return document | ({"log": True} if one.log else {}) | ({"step": one.step} if one.step not in (None, 1) else {})


def _read(name: str, document: Any) -> Parameter:
    if not isinstance(document, Mapping):
        raise InvalidArgument(
            f"{name} is {document!r}, not a table.", hint=f'[{name}]  type = "float"  low = … high = …'
        )
    kind = document.get("type")
    if kind not in _TYPES:
        what = "has no type" if kind is None else f"has the type {kind!r}"
        raise InvalidArgument(f"[{name}] {what}.", hint=nearest(str(kind), tuple(_TYPES), "It is one of "))
    make, known, needed = _TYPES[str(kind)]
    check_keys(document, ("type", *known), f"[{name}]")
    for key in needed:
        if key not in document:
            raise InvalidArgument(f"[{name}] has no {key}.", hint=f"A {kind} needs {' and '.join(needed)}.")
    try:
        parameter: Parameter = make(**{key: value for key, value in document.items() if key != "type"})
    except InvalidArgument as error:
        raise InvalidArgument(f"[{name}] {error.message}", hint=error.hint) from None
    return parameter


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidArgument(f"{name} is {value!r}, not a number.")
    return float(value)


def _check_range(low: float, high: float, log: object) -> None:
    if not isinstance(log, bool):
        raise InvalidArgument(f"log is {log!r}, neither true nor false.")
    if not low < high:
        raise InvalidArgument(f"low is {low} and high is {high}; low must be less.")
    if log and low <= 0:
        raise InvalidArgument(f"low is {low}; on a logarithmic scale it must be more than 0.")


def _check_step(step: float, log: bool, *, stepped: bool) -> None:
    if step <= 0:
        raise InvalidArgument(f"step is {step}; it must be more than 0.")
    if log and stepped:
        raise InvalidArgument("log and step exclude each other.", hint="Leave one out, or list the values as a choice.")
