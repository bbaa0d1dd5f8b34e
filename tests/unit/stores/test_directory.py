"""What only a directory can do to whoever lists it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxiway.stores import open_store
from taxiway.testing.stores import write_files


def test_a_folder_that_is_removed_while_it_is_listed_takes_only_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "models", {"m/1/kept": b"x", "m/2/gone": b"y", "m/3/kept": b"z"})
    listed = os.scandir

    def late(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "2":
            os.rename(path, tmp_path / "gone")
        return listed(path)

    store = open_store(tmp_path / "models")
    monkeypatch.setattr(os, "scandir", late)
    assert [entry.name for entry in store.entries("m", deep=True)] == ["1/kept", "3/kept"]
