"""What the README and the guides show is run: a reader who types it sees it work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taxiway.cli.main import COMMANDS
from tests.docs.blocks import blocks, commands

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]


def runnable(page: Path) -> bool:
    return any(block.reason is None for block in blocks(page))


@pytest.mark.tensorflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=lambda page: page.stem)
def test_a_page_does_what_it_shows(page: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_page", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_a_page_shows_exist(page: Path) -> None:
    shown = {
        words[1]
        for block in blocks(page)
        if block.language == "console"
        for command in commands(block.text)
        if (words := command.split())[0] == "taxiway" and not words[1].startswith("-")
    }
    assert shown - set(COMMANDS) == set()


def test_a_block_is_found_with_its_line_and_the_reason_it_is_not_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n```python\nx = 1\n```\n\n<!-- not run: needs a cluster -->\n\n```console\n$ a \\\n> b\nshown\n$ c\n```\n```\nno\n```\n"
    )
    first, second = blocks(page)
    assert (first.language, first.text, first.line, first.reason) == ("python", "x = 1\n", 3, None)
    assert (second.language, second.line, second.reason) == ("console", 9, "needs a cluster")
    assert commands(second.text) == ["a \\\nb", "c"]


def test_a_comment_without_a_reason_does_not_keep_a_block_from_running(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: -->\n```python\nx = 1\n```\n")
    assert [block.reason for block in blocks(page)] == [None]


def test_an_open_block_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n")
    with pytest.raises(ValueError, match="never closed"):
        list(blocks(page))
