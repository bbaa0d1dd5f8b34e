"""Which crate may know what: the rules of ARCHITECTURE.md, held against the crates' manifests and sources."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
CRATES = sorted(path.parent.name for path in (ROOT / "crates").glob("*/Cargo.toml"))
# crate: what it must not depend on, not even for its tests
FORBIDDEN = {
    "taxiway-engine": {
        "hyper",
        "libloading",
        "pyo3",
        "taxiway-runtimes",
        "taxiway-load",
        "taxiway-server",
        "tokio",
        "tonic",
    },
    "taxiway-runtimes": {"hyper", "pyo3", "taxiway-load", "taxiway-server", "tokio", "tonic"},
    "taxiway-load": {"libloading", "pyo3", "taxiway-runtimes", "taxiway-server", "tonic"},
    "taxiway-server": {"libloading", "pyo3", "taxiway-load", "taxiway-runtimes"},
    "taxiway-python": set(),
    "taxiway-count": {"pyo3", "taxiway-load", "taxiway-runtimes"},
}


def dependencies(crate: str) -> set[str]:
    """What the crate's manifest names, for the crate, its build and its tests."""
    manifest: dict[str, Any] = tomllib.loads((ROOT / "crates" / crate / "Cargo.toml").read_text())
    kinds = ("dependencies", "build-dependencies", "dev-dependencies")
    return {name for kind in kinds for name in manifest.get(kind, {})}


def test_each_crate_has_its_rule() -> None:
    assert set(CRATES) == set(FORBIDDEN)


@pytest.mark.parametrize("crate", CRATES)
def test_a_crate_does_not_know_what_it_must_not(crate: str) -> None:
    assert dependencies(crate) & FORBIDDEN[crate] == set()


@pytest.mark.parametrize("crate", sorted(set(CRATES) - {"taxiway-runtimes"}))
def test_unsafe_stands_in_one_crate(crate: str) -> None:
    source = ROOT / "crates" / crate / "src"
    roots = [root for name in ("lib.rs", "main.rs") if (root := source / name).exists()]
    assert roots
    assert all("#![forbid(unsafe_code)]" in root.read_text() for root in roots)


@pytest.mark.parametrize("crate", CRATES)
def test_a_crate_takes_versions_and_lints_from_the_workspace(crate: str) -> None:
    manifest = tomllib.loads((ROOT / "crates" / crate / "Cargo.toml").read_text())
    assert manifest["lints"] == {"workspace": True}
    own = {
        name: value
        for name, value in manifest.get("dependencies", {}).items()
        if not (isinstance(value, dict) and value.get("workspace"))
    }
    assert own == {}


def test_the_package_and_the_crates_have_one_version() -> None:
    import taxiway

    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert taxiway.__version__ == workspace
