"""The store that commands read and write, and what they show of a version in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["comparison_text", "litert_lines", "litert_text", "signature_rows", "store_option"]

F = TypeVar("F", bound=Callable[..., Any])


def store_option(function: F) -> F:
    """Add ``--store``, passed as ``store``; ``TAXIWAY_STORE`` gives it too."""
    return click.option(
        "--store",
        metavar="DIR|URL",
        envvar="TAXIWAY_STORE",
        default="models/",
        show_default=True,
        show_envvar=True,
        help="Where versions live: a directory, s3://bucket/prefix, gs://bucket/prefix.",
    )(function)


def signature_rows(signatures: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """A row for each input and output: signature, in or out, name, dtype, shape. Signatures as manifests have them."""
    rows = []
    for name, signature in sorted(signatures.items()):
        shown = name
        for way in ("inputs", "outputs"):
            for key, spec in signature[way].items():
                rows.append((shown, way.removesuffix("puts"), key, spec["dtype"], _shape(spec["shape"])))
                shown = ""
    return rows


def comparison_text(compared: dict[str, Any]) -> str:
    """One signature's comparison with its model in a sentence."""
    if reason := compared.get("not_compared"):
        return f"not compared: {reason}"
    by_output = {name: max(sizes.values(), default=0.0) for name, sizes in compared["differences"].items()}
    largest = ", ".join(f"{name} {one:.2g}" for name, one in by_output.items())
    sizes = sorted(
        {size for one in compared["differences"].values() for size in one}, key=lambda size: (len(size), size)
    )
    return f"largest difference from {compared['against']}: {largest} ({compared['rows']} rows; {', '.join(sizes)})"


def litert_lines(litert: dict[str, Any] | None) -> list[str]:
    """What publishing found of LiteRT, a sentence a signature; none when it did not look."""
    if not litert:
        return []
    head = f"LiteRT: {litert['file']} is beside the SavedModel" if litert["file"] else "LiteRT: no file"
    more = [f"  {name}: {litert_text(one)}" for name, one in litert["signatures"].items()] if litert["file"] else []
    return [f"{head}: {litert['reason']}", *more]


def litert_text(one: dict[str, Any]) -> str:
    """What was found of one signature."""
    if not one["kept"]:
        return f"stays with TensorFlow: {one['reason']}"
    times = [f"{name} {one[f'{name}_us']:,.0f} µs" for name in ("tensorflow", "litert") if f"{name}_us" in one]
    return "; ".join(filter(None, [one["reason"], ", ".join(times) or one.get("speed")]))


def _shape(sizes: list[int] | None) -> str:
    return "any" if sizes is None else f"[{', '.join('?' if size < 0 else str(size) for size in sizes)}]"
