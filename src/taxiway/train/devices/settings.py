"""The settings of TensorFlow's runtime: what can be asked for, and what contradicts itself. Imports no TensorFlow."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument

__all__ = ["POLICIES", "RuntimeSettings", "check_devices", "read_assignments", "read_settings"]

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
_FLAGS = ("memory_growth", "soft_placement", "deterministic")
_MAX_SEED = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True)
class RuntimeSettings:
    """What TensorFlow's runtime should be like. None leaves a setting as TensorFlow has it.

    Attributes:
        visible_gpus: indices of the GPUs to use; empty for none of them.
        memory_growth: take GPU memory as it is needed, not all at once.
        memory_limit_mb: megabytes of memory of each logical GPU.
        logical_cpus: how many devices the CPU is divided into, ``CPU:0``, ``CPU:1``, …
        logical_gpus: how many devices each GPU is divided into; needs ``memory_limit_mb``.
        intra_op_threads: threads within one op; 0 for as many as there are cores.
        inter_op_threads: ops that run at the same time; 0 for as many as there are cores.
        soft_placement: whether an op whose device is not there runs on another one, without a word.
        mixed_precision: one of :data:`POLICIES`, Keras' dtype policy.
        deterministic: ops that give the same result each time, more slowly; needs ``seed``.
        seed: of Python's, NumPy's and TensorFlow's random numbers.
    """

    visible_gpus: tuple[int, ...] | None = None
    memory_growth: bool | None = None
    memory_limit_mb: int | None = None
    logical_cpus: int | None = None
    logical_gpus: int | None = None
    intra_op_threads: int | None = None
    inter_op_threads: int | None = None
    soft_placement: bool | None = None
    mixed_precision: str | None = None
    deterministic: bool | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.visible_gpus is not None:
            object.__setattr__(self, "visible_gpus", _indices(self.visible_gpus))
        for name in ("memory_limit_mb", "logical_cpus", "logical_gpus"):
            _check_number(name, getattr(self, name), 1)
        for name in ("intra_op_threads", "inter_op_threads", "seed"):
            _check_number(name, getattr(self, name), 0)
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool | None):
                raise InvalidArgument(f"{name} is {getattr(self, name)!r}; it is true or false.")
        if self.seed is not None and self.seed > _MAX_SEED:
            raise InvalidArgument(f"seed is {self.seed}; it must be at most {_MAX_SEED}.")
        if self.mixed_precision is not None and self.mixed_precision not in POLICIES:
            raise InvalidArgument(
                f"There is no precision policy {self.mixed_precision!r}.", hint=f"It is one of {', '.join(POLICIES)}."
            )
        self._check_conflicts()

    def _check_conflicts(self) -> None:
        if self.memory_growth and self.memory_limit_mb is not None:
            raise InvalidArgument(
                "memory_growth and memory_limit_mb contradict each other.",
                hint="A limit reserves its memory at once; growth takes it as needed. Choose one.",
            )
        if (self.logical_gpus or 1) > 1 and self.memory_limit_mb is None:
            raise InvalidArgument(
                f"{self.logical_gpus} logical GPUs need memory_limit_mb: the first would take all memory otherwise."
            )
        if self.deterministic and self.seed is None:
            raise InvalidArgument("deterministic needs a seed.", hint="seed=0")

    def as_json(self) -> dict[str, Any]:
        """What was asked for: the settings that are not None."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RuntimeSettings:
        """The settings in a document.

        Raises:
            InvalidArgument: an unknown setting, a wrong value, or a contradiction.
        """
        known = [one.name for one in fields(cls)]
        for name in document:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                raise InvalidArgument(
                    f"There is no runtime setting {name!r}.",
                    hint=f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}.",
                )
        return cls(**document)


def read_settings(assignments: Sequence[str]) -> RuntimeSettings:
    """The settings in ``name=value`` texts, as a command line gives them: ``logical_cpus=2``, ``visible_gpus=0,1``.

    Raises:
        InvalidArgument: as :meth:`RuntimeSettings.from_json`, or a text without ``=``.
    """
    return RuntimeSettings.from_json(read_assignments(assignments))


def read_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """The names and values in ``name=value`` texts, not held to what there is.

    Raises:
        InvalidArgument: a text without ``=``, or a name twice.
    """
    document: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise InvalidArgument(f"{assignment!r} is no setting.", hint="NAME=VALUE, such as logical_cpus=2")
        if name in document:
            raise InvalidArgument(f"The runtime setting {name} is given twice.")
        document[name] = _value(name, text)
    return document


def check_devices(settings: RuntimeSettings, devices: Sequence[str]) -> None:
    """Hold settings to a machine's physical devices, such as ``["CPU:0", "GPU:0"]``.

    Raises:
        FailedPrecondition: a GPU that is not there, or a setting that needs one where none is used.
    """
    gpus = [name for name in devices if name.startswith("GPU:")]
    for index in settings.visible_gpus or ():
        if f"GPU:{index}" not in gpus:
            raise FailedPrecondition(f"There is no GPU:{index} on this machine; it has {', '.join(devices)}.")
    used = gpus if settings.visible_gpus is None else list(settings.visible_gpus)
    if used:
        return
    needs = [name for name in ("memory_growth", "memory_limit_mb", "logical_gpus") if getattr(settings, name)]
    if settings.mixed_precision == "mixed_float16":
        needs.append("mixed_float16")
    if needs:
        raise FailedPrecondition(
            f"{' and '.join(needs)} {'needs' if len(needs) == 1 else 'need'} a GPU, and none is used here.",
            hint="taxiway devices shows what there is; on a CPU the half precision is mixed_bfloat16.",
        )


def _value(name: str, text: str) -> Any:
    if name == "visible_gpus":
        parts = [] if text in ("", "none") else text.split(",")
        return tuple(int(part) if part.strip().isdecimal() else part for part in parts)
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text


def _indices(value: Sequence[Any]) -> tuple[int, ...]:
    indices = tuple(value)
    if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in indices):
        raise InvalidArgument(f"visible_gpus is {value!r}; it is a list of indices.", hint="visible_gpus=0,1 or none")
    if len(set(indices)) != len(indices):
        raise InvalidArgument(f"visible_gpus names a GPU twice: {list(indices)}.")
    return indices


def _check_number(name: str, value: Any, least: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise InvalidArgument(f"{name} is {value!r}; it is a whole number, at least {least}.")
