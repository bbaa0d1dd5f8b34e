"""The variants of a LiteRT file: what each does to the numbers, and which converter makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taxiway.errors import InvalidArgument

__all__ = ["DEFAULT_VARIANTS", "VARIANTS", "Kind", "kinds_of"]


@dataclass(frozen=True)
class Kind:
    """One variant.

    Attributes:
        name: what it is called.
        does: for people.
        exact: whether it keeps every number, so that it is held to the original's own rounding.
        recipe: of litert-quantizer, which makes it from the float32 file; empty for TensorFlow's converter.
        calibrated: whether real rows set the ranges of what is computed.
        whole: whether inputs and outputs are whole numbers too, and everything between.
        instead: what to take when it cannot be made.
    """

    name: str
    does: str
    exact: bool = False
    recipe: str = ""
    calibrated: bool = False
    whole: bool = False
    instead: str = "dynamic"


VARIANTS: dict[str, Kind] = {
    one.name: one
    for one in (
        Kind("float32", "the numbers as they are", exact=True, instead=""),
        Kind("dynamic", "weights in 8 bits, inputs of layers quantised while it runs", instead="float16"),
        Kind("float16", "weights in half precision: half the size, no faster", instead="float32"),
        Kind("int8", "weights and what is computed in 8 bits, by ranges of real rows", calibrated=True),
        Kind("int8-io", "int8 with whole numbers at the door too", calibrated=True, whole=True, instead="int8"),
        Kind("int4", "weights in 4 bits", recipe="dynamic_wi4_afp32"),
    )
}

DEFAULT_VARIANTS = tuple(name for name, one in VARIANTS.items() if not one.whole)
"""Those that are made when nobody says which: what asks for whole numbers is for boards that want them."""


def kinds_of(names: Sequence[str]) -> list[Kind]:
    """The variants of these names, in their order.

    Raises:
        InvalidArgument: there is none of a name, one is there twice, or there is none at all.
    """
    if not names:
        raise InvalidArgument("No variant is asked for.", hint=f"--variants {','.join(VARIANTS)}")
    for name in names:
        if name not in VARIANTS:
            raise InvalidArgument(f"There is no variant {name!r}.", hint=f"--variants {','.join(VARIANTS)}")
    if repeated := next((name for name in names if list(names).count(name) > 1), None):
        raise InvalidArgument(f"The variant {repeated} is asked for twice.")
    return [VARIANTS[name] for name in names]
