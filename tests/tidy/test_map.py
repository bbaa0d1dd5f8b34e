"""ARCHITECTURE.md's map is held against the tree, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([^`|]+)` \| (.+) \|$", re.MULTILINE)


def rows(text: str) -> dict[str, str]:
    """path: what the map says it holds."""
    section = text.partition("## The map")[2].partition("\n## ")[0]
    return {path.rstrip("/"): holds for path, holds in ROW.findall(section)}


MAP = rows((ROOT / "ARCHITECTURE.md").read_text())


def packages() -> set[str]:
    """The folders of the package and of the data plane that hold code."""
    python = {path.parent for path in (ROOT / "src" / "taxiway").glob("*/__init__.py")}
    rust = {path.parent for path in (ROOT / "crates").glob("*/Cargo.toml")}
    return {str(path.relative_to(ROOT)) for path in python | rust}


def test_the_map_was_found() -> None:
    assert len(MAP) > 10


@pytest.mark.parametrize("path", MAP)
def test_what_the_map_names_is_there(path: str) -> None:
    assert (ROOT / path).is_dir()
    assert any((ROOT / path).iterdir())


def test_every_package_and_crate_is_on_the_map() -> None:
    assert packages() - MAP.keys() == set()


def test_a_row_says_what_the_path_holds() -> None:
    text = "## The map\n| path | holds |\n|---|---|\n| `a/` | one thing |\n\n## Next\n| `b/` | not of the map |\n"
    assert rows(text) == {"a": "one thing"}


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
