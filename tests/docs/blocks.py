"""The runnable blocks of a Markdown page.

A fenced block marked ``python`` or ``console`` runs. One that cannot is marked on the line before it, with the reason:

    <!-- not run: needs a cluster -->

In a console block the lines that open with ``$ `` run; the others are what a reader would see and are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks", "commands"]

RUNNABLE = ("python", "console")
_FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*$")
_NOT_RUN = re.compile(r"^\s*<!-- not run: (\S.*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the number of its first line, and why it is not run, if it is not."""

    page: Path
    language: str
    text: str
    line: int
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    """The page's ``python`` and ``console`` blocks, in order.

    Raises:
        ValueError: a fence is never closed.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        start = number + 1
        end = _closing(lines, start, fence[2], page)
        if fence[3] in RUNNABLE:
            before = next((line for line in reversed(lines[:number]) if line.strip()), "")
            reason = _NOT_RUN.match(before)
            text = "\n".join(line.removeprefix(fence[1]) for line in lines[start:end]) + "\n"
            yield Block(page, fence[3], text, start + 1, reason[1] if reason else None)
        number = end + 1


def _closing(lines: list[str], start: int, ticks: str, page: Path) -> int:
    for number in range(start, len(lines)):
        if lines[number].strip() == ticks:
            return number
    raise ValueError(f"{page}:{start}: this block is never closed")


def commands(text: str) -> list[str]:
    """A console block's commands, with lines that end in a backslash joined to the next."""
    found: list[str] = []
    going_on = False
    for line in text.splitlines():
        if going_on:
            found[-1] += "\n" + line.removeprefix("> ")
        elif line.startswith("$ "):
            found.append(line[2:])
        else:
            continue
        going_on = line.endswith("\\")
    return found
