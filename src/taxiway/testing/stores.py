"""The suite that every store passes. Use: subclass :class:`StoreContract` and give it an empty fixture ``store``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taxiway.errors import Aborted, AlreadyExists, NotFound
from taxiway.stores import MANIFEST_FILE, File, Store

__all__ = ["StoreContract", "write_files"]

FILES = {"saved_model.pb": b"graph", "variables/data": b"w" * 70_000, "empty": b""}


def write_files(directory: Path, files: dict[str, bytes] | None = None) -> Path:
    """Some files, one in a folder, one empty."""
    for name, data in (FILES if files is None else files).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


class StoreContract:
    """What holds for any store."""

    def test_nothing_is_there_at_first(self, store: Store, tmp_path: Path) -> None:
        """Reading, listing and removing what is not there are no errors; fetching it is."""
        assert store.entries("a") == store.entries("a", deep=True) == []
        assert store.read("a/b") is None
        store.remove("a/b")
        with pytest.raises(NotFound):
            store.fetch("a/b", tmp_path / "b")

    def test_a_document_is_made_once(self, store: Store) -> None:
        """A second one is refused, the same one is not: its answer may have been lost."""
        tag = store.write("a/b", b"1")
        document = store.read("a/b")
        assert document is not None and (document.data, document.tag) == (b"1", tag)
        assert store.write("a/b", b"1") == tag
        with pytest.raises(AlreadyExists):
            store.write("a/b", b"2")

    def test_a_document_is_replaced_by_who_saw_it_last(self, store: Store) -> None:
        """Compare and swap."""
        first = store.write("a/b", b"1")
        second = store.write("a/b", b"2", first)
        assert second != first
        with pytest.raises(Aborted):
            store.write("a/b", b"3", first)
        with pytest.raises(Aborted):
            store.write("a/none", b"3", first)
        document = store.read("a/b")
        assert document is not None and (document.data, document.tag) == (b"2", second)

    def test_of_many_that_write_at_once_one_wins(self, store: Store) -> None:
        """Whether it is new or replaced."""

        def wins(data: bytes, expected: str | None) -> int:
            try:
                store.write("a/b", data, expected)
            except (AlreadyExists, Aborted):
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(lambda n: wins(b"%d" % n, None), range(8))) == 1
            document = store.read("a/b")
            assert document is not None
            assert sum(pool.map(lambda n: wins(b"new %d" % n, document.tag), range(8))) == 1

    def test_a_folder_is_placed_with_its_mark_last(self, store: Store, tmp_path: Path) -> None:
        """Every file is there before the mark is made, with the size and digest of its bytes."""
        source = write_files(tmp_path / "source")
        (source / MANIFEST_FILE).write_bytes(b"an earlier mark")
        seen: dict[str, File] = {}

        def finish(files: dict[str, File]) -> bytes:
            assert store.read(f"m/1/{MANIFEST_FILE}") is None
            seen.update(files)
            return b"mark"

        store.place("m/1", source, finish)  # type: ignore[arg-type]
        assert {name: file.size_bytes for name, file in seen.items()} == {name: len(FILES[name]) for name in FILES}
        assert [(entry.name, entry.is_folder) for entry in store.entries("m")] == [("1", True)]
        found = {entry.name: entry.size_bytes for entry in store.entries("m", deep=True)}
        assert found == {f"1/{name}": len(data) for name, data in {**FILES, MANIFEST_FILE: b"mark"}.items()}

    def test_a_folder_is_placed_once(self, store: Store, tmp_path: Path) -> None:
        """And a second attempt leaves it as it was."""
        source = write_files(tmp_path / "source")
        store.place("m/1", source, lambda files: b"first")
        with pytest.raises(AlreadyExists):
            store.place("m/1", write_files(tmp_path / "other", {"x": b"x"}), lambda files: b"second")
        assert {entry.name for entry in store.entries("m/1", deep=True)} == {*FILES, MANIFEST_FILE}
        document = store.read(f"m/1/{MANIFEST_FILE}")
        assert document is not None and document.data == b"first"

    def test_what_fails_half_way_leaves_nothing(self, store: Store, tmp_path: Path) -> None:
        """Neither a mark nor files."""

        def fail(files: object) -> bytes:
            raise ValueError("no manifest today")

        with pytest.raises(ValueError, match="today"):
            store.place("m/1", write_files(tmp_path / "source"), fail)
        assert store.entries("m", deep=True) == []

    @pytest.mark.parametrize("there", [0, 1, 69_999, 70_000])
    def test_a_fetch_goes_on_where_it_was_cut_off(self, store: Store, tmp_path: Path, there: int) -> None:
        """From nothing, from a part, from all of it."""
        data = bytes(range(250)) * 280
        store.place("m/1", write_files(tmp_path / "source", {"data": data}), lambda files: b"mark")
        (tmp_path / "target").write_bytes(data[:there])
        store.fetch("m/1/data", tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == data

    def test_removing_takes_all_of_a_folder_and_no_more(self, store: Store, tmp_path: Path) -> None:
        """Names that only begin alike stay."""
        source = write_files(tmp_path / "source")
        for folder in ("m/1", "m/10"):
            store.place(folder, source, lambda files: b"mark")
        store.write("m/notes/a", b"1")
        store.remove("m/1")
        store.remove("m/notes/a")
        assert store.entries("m/1", deep=True) == []
        assert store.read("m/notes/a") is None
        assert {entry.name for entry in store.entries("m/10", deep=True)} == {*FILES, MANIFEST_FILE}
