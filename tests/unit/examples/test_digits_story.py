"""How the demo looks."""

from __future__ import annotations

import io

import numpy as np
import pytest

from examples.digits.asking import Asked, percentile
from examples.digits.story import Story, drawn, folded, table


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, terminal = io.StringIO(), _Terminal()
    for out in (plain, terminal):
        Story(out).good("done")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[32mdone" in terminal.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = _Terminal()
    Story(terminal).bad("oh")
    assert "\x1b" not in terminal.getvalue()


def test_a_long_command_is_folded_so_that_a_shell_reads_it_as_one() -> None:
    argv = ["taxiway", "train", "examples/digits:job", *(f"--param name{n}={n}" for n in range(9))]
    lines = folded(argv)
    assert len(lines) > 1 and max(map(len, lines)) <= 90
    assert " ".join(line.removesuffix(" \\").strip() for line in lines) == "$ " + " ".join(argv)
    assert folded(["taxiway", "status"]) == ["$ taxiway status"]


def test_five_digits_fit_the_page() -> None:
    images = np.zeros((5, 8, 8), np.float32)
    images[:, 0, 0] = 16
    lines = drawn(images, ["a 7 (100%)"] * 5)
    assert lines[0].startswith("@@ ")
    assert len(lines) == 9
    assert max(map(len, lines)) <= 91


def test_table_counts_failures_and_names_versions() -> None:
    asked = [Asked(0.0, 0.001, 1, None), Asked(0.0, 0.003, 2, None), Asked(0.0, 0.2, 0, "UNAVAILABLE: gone")]
    head, _, line, empty = table([("while version 2 takes over", asked), ("nothing", [])])
    assert line.split()[5:7] == ["3", "1"]
    assert "200.0 ms" in line and line.endswith("   1, 2")
    assert empty.split()[1:3] == ["0", "0"]
    assert max(map(len, (head, line))) <= 100


def test_percentile() -> None:
    assert percentile([3, 1, 2, 4], 50) == 2
    assert percentile([3, 1, 2, 4], 100) == 4
    assert percentile([], 99) == 0
