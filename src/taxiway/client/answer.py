"""What a client gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from taxiway.wire.signatures import Signature
from taxiway.wire.tensors import Array

__all__ = ["Answer", "Metadata", "VersionStatus"]


class Answer(Mapping[str, Array]):
    """The outputs of one request by name, and who gave them.

    Attributes:
        model: the model asked.
        version: the version that answered; None when the server does not say (TensorFlow Serving over REST).
        request_id: the id under which the server knows the request; None when it has none.
        arm: the arm of an experiment that answered; None while there is none, or only one.
    """

    def __init__(
        self,
        outputs: Mapping[str, Array],
        model: str,
        version: int | None,
        request_id: str | None,
        arm: str | None = None,
    ) -> None:
        self._outputs = dict(outputs)
        self.model = model
        self.version = version
        self.request_id = request_id
        self.arm = arm

    def __getitem__(self, name: str) -> Array:
        try:
            return self._outputs[name]
        except KeyError:
            raise KeyError(f"{name!r} is no output of {self.model}; it gave {', '.join(self._outputs)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        outputs = ", ".join(f"{name}: {_described(array)}" for name, array in self._outputs.items())
        return f"Answer({self.model} version {self.version}, {{{outputs}}})"


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model as the server sees it.

    Attributes:
        version: its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error_kind: the name of a gRPC code; ``OK`` when nothing went wrong.
        error: what went wrong; empty when nothing did.
    """

    version: int
    state: str
    error_kind: str = "OK"
    error: str = ""


@dataclass(frozen=True)
class Metadata:
    """What a version takes and gives."""

    model: str
    version: int | None
    signatures: Mapping[str, Signature]


def _described(array: np.ndarray[Any, Any]) -> str:
    return f"{array.dtype}{list(array.shape)}"
