from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from taxiway.browser import npm
from taxiway.errors import FailedPrecondition, Unavailable

FAKE = """#!/bin/sh
[ "$1" = ci ] || exit 9
test -f package-lock.json || exit 8
{does}
"""


@pytest.fixture
def with_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a PATH of the test's own; the npm in it does what the test says."""
    commands = tmp_path / "bin"
    commands.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    return commands / "npm"


def make(path: Path, does: str) -> None:
    path.write_text(FAKE.format(does=does))
    path.chmod(0o755)


def test_the_packages_are_installed_once(with_npm: Path) -> None:
    make(with_npm, "mkdir node_modules && date +%N > node_modules/when")
    root = npm.install()
    first = (root / "node_modules" / "when").read_text()
    assert npm.find().root == root == npm.folder()
    assert npm.install() == root and (root / "node_modules" / "when").read_text() == first
    npm.install(again=True)
    assert (root / "node_modules" / "when").read_text() != first
    assert os.listdir(root.parent) == [root.name]


def test_an_installation_that_fails_leaves_nothing_and_says_what_npm_said(with_npm: Path) -> None:
    make(with_npm, "mkdir node_modules; echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(Unavailable, match="code ENOTFOUND"):
        npm.install()
    assert os.listdir(npm.folder().parent) == []


def test_without_npm_and_without_packages_it_is_said_what_to_do(
    with_npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(with_npm.parent))
    with pytest.raises(FailedPrecondition) as caught:
        npm.find()
    assert caught.value.hint == "taxiway browser install, once"
    with pytest.raises(FailedPrecondition, match="There is no npm") as caught:
        npm.install()
    assert "Node.js" in (caught.value.hint or "")


def test_the_lock_names_each_package_by_digest_and_no_place() -> None:
    lock = json.loads((Path(npm.__file__).parent / "packages" / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in packages.values())
