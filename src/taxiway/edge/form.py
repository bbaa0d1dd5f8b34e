"""What files are like beside their numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from taxiway.artifacts.buckets import checked_batches
from taxiway.edge.classes import checked_classes

__all__ = ["Form", "checked_form"]


class Form(TypedDict, total=False):
    """Options of :func:`taxiway.edge.build`.

    Attributes:
        unroll: have the recurrent layers of a Keras file do every step by itself, without a loop: larger files, which
            take any number of rows. The number of steps must be fixed.
        batches: numbers of rows, ``(1, 4, 8)``: for each the file has a signature more, ``serving_default_4``, which
            takes that many. The weights are there once.
        classes: names of the classes, in the order of the scores' columns: a list, a text with commas between, or a
            file with one a line. They stand in the file, and :class:`taxiway.edge.Interpreter` tells them.
    """

    unroll: bool
    batches: Sequence[int]
    classes: Sequence[str] | str | os.PathLike[str] | None


def checked_form(form: Mapping[str, Any]) -> Form:
    """The options; TypeError for one that there is not, InvalidArgument for batches and classes that are none."""
    if unknown := sorted(set(form) - set(Form.__annotations__)):
        raise TypeError(f"build() got an unexpected keyword argument {unknown[0]!r}")
    batches, classes = checked_batches(form.get("batches", ())), checked_classes(form.get("classes"))
    return cast(Form, {**form, "batches": batches, "classes": classes or None})
