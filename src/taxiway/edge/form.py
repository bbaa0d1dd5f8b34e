"""What files are like beside their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from taxiway.artifacts.buckets import checked_batches

__all__ = ["Form", "checked_form"]


class Form(TypedDict, total=False):
    """Options of :func:`taxiway.edge.build`.

    Attributes:
        unroll: have the recurrent layers of a Keras file do every step by itself, without a loop: larger files, which
            take any number of rows. The number of steps must be fixed.
        batches: numbers of rows, ``(1, 4, 8)``: for each the file has a signature more, ``serving_default_4``, which
            takes that many. The weights are there once.
    """

    unroll: bool
    batches: Sequence[int]


def checked_form(form: Mapping[str, Any]) -> Form:
    """The options; TypeError for one that there is not, InvalidArgument for batches that are none."""
    if unknown := sorted(set(form) - set(Form.__annotations__)):
        raise TypeError(f"build() got an unexpected keyword argument {unknown[0]!r}")
    return cast(Form, {**form, "batches": checked_batches(form.get("batches", ()))})
