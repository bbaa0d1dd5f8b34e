"""What files are like beside their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

__all__ = ["Form", "checked_form"]


class Form(TypedDict, total=False):
    """Options of :func:`taxiway.edge.build`.

    Attributes:
        unroll: have the recurrent layers of a Keras file do every step by itself, without a loop: larger files, which
            take any number of rows. The number of steps must be fixed.
    """

    unroll: bool


def checked_form(form: Mapping[str, Any]) -> Form:
    """The options; TypeError for one that there is not."""
    if unknown := sorted(set(form) - set(Form.__annotations__)):
        raise TypeError(f"build() got an unexpected keyword argument {unknown[0]!r}")
    return cast(Form, dict(form))
