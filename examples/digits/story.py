"""How the demo looks: steps, digits drawn with characters, one table. 100 columns; colour only on a terminal."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from examples.digits.asking import Asked, percentile

_COMMAND_COLUMNS = 88
_LINE_COLUMNS = 91
_WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
_SHADES = " .:-=+*#%@"


class Story:
    """Prints the demo as it goes, each step with the seconds since the beginning.

    Args:
        out: where to; colour is used when it is a terminal and NO_COLOR is not set.
    """

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._began = time.perf_counter()
        self._colour = out.isatty() and not os.environ.get("NO_COLOR")

    def step(self, title: str) -> None:
        """The next chapter."""
        seconds = time.perf_counter() - self._began
        self._print(f"\n{self._painted(f'{seconds:5.1f} s', '2')}  {self._painted(title, '1;36')}")

    def say(self, line: str) -> None:
        """A line within a chapter."""
        self._print(f"         {line}".rstrip())

    def long(self, line: str) -> None:
        """A line within a chapter, on several when it is long."""
        for part in textwrap.wrap(line, _LINE_COLUMNS, subsequent_indent="  ", **_WHOLE_WORDS) or [""]:
            self.say(part)

    def wide(self, line: str) -> None:
        """A line of a table, which takes the whole width."""
        self._print(line)

    def command(self, argv: Sequence[str]) -> None:
        """A command as one would type it, on several lines when it is long."""
        for line in folded(argv):
            self._print(f"         {self._painted(line, '33')}")

    def good(self, line: str) -> None:
        """Something that went as it should."""
        self._print(f"         {self._painted(line, '32')}")

    def bad(self, line: str) -> None:
        """Something that did not."""
        self._print(f"         {self._painted(line, '31')}")

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def folded(argv: Sequence[str]) -> list[str]:
    """A command's lines, each but the last with the backslash that goes on. An option and its value stay together."""
    lines = textwrap.wrap(
        re.sub(r"( --[\w-]+) (?!-)", "\\1\u00a0", "$ " + " ".join(argv)),
        _COMMAND_COLUMNS,
        subsequent_indent="    ",
        **_WHOLE_WORDS,
    )
    lines = [line.replace("\u00a0", " ") for line in lines]
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def drawn(images: NDArray[np.float32], captions: Sequence[str]) -> list[str]:
    """The images side by side, two characters a pixel, each above its caption."""
    lines = []
    for row in range(images.shape[1]):
        cells = ["".join(_SHADES[int(value * 9 / 16)] * 2 for value in image[row]) for image in images]
        lines.append("   ".join(cells).rstrip())
    width = images.shape[2] * 2
    lines.append("   ".join(f"{caption:^{width}}" for caption in captions).rstrip())
    return lines


def table(phases: Sequence[tuple[str, Sequence[Asked]]]) -> list[str]:
    """Requests, failures and latencies of each phase."""
    head = f"{'':<30}{'sent':>7}{'failed':>8}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}   versions"
    lines = [head, "-" * len(head)]
    for title, asked in phases:
        taken = [one.milliseconds for one in asked]
        failed = sum(one.problem is not None for one in asked)
        latencies = "".join(f"{percentile(taken, percent):>7.1f} ms" for percent in (50, 95, 99, 100))
        versions = ", ".join(str(version) for version in sorted({one.version for one in asked if one.version}))
        lines.append(f"{title:<30}{len(asked):>7,}{failed:>8}{latencies}   {versions}")
    return lines
