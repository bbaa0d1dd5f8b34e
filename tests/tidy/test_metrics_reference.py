"""The reference page of the metrics has all that the pages do, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import metrics_reference

ROW = '        A: Counter "a_total" "model code"\n            "Told in \\\n             two lines.";\n'


def table(rows: str) -> str:
    return f"families! {{\n    /// Told.\n    ALL {{\n{rows}    }}\n}}\n"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "families.rs"
    monkeypatch.setattr(metrics_reference, "SOURCE", path)
    return path


def test_the_batch_metrics_are_on_the_page() -> None:
    names = {family.name for family in metrics_reference.tables()[0]}
    assert {"taxiway_batch_wait_seconds", "taxiway_batches_total", "taxiway_batch_filling_total"} <= names


def test_a_row_is_read_whole(source: Path) -> None:
    source.write_text(table(ROW) + table(ROW))
    assert metrics_reference.tables()[1] == [("a_total", "counter", ["model", "code"], "Told in two lines.")]


@pytest.mark.parametrize("text", [table(ROW), table(ROW) * 3, table(ROW) + table(ROW + "        B: odd;\n")])
def test_another_table_is_refused(source: Path, text: str) -> None:
    source.write_text(text)
    with pytest.raises(ValueError, match="families.rs"):
        metrics_reference.tables()
