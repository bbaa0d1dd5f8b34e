"""Every fact of TensorFlow Serving that must match has a test, and every test that says so names a fact."""

from __future__ import annotations

from tools import serving_coverage as coverage
from tools.marks import Pin
from tools.serving_coverage import Row


def test_every_row_is_tested_or_told() -> None:
    found = coverage.problems(coverage.rows(), coverage.pins(), coverage.GUIDE.read_text())
    assert list(found) == []


def test_what_nothing_stands_behind_is_found() -> None:
    def found(row: Row, guide: str = "", **pins: list[Pin]) -> list[str]:
        return list(coverage.problems([row], pins, guide))

    test = [Pin("tests/test_x.py", "test_x")]
    assert found(Row("x", "1", "A", "…")) == ["x is marked A and has no test"]
    assert found(Row("x", "1", "A", "…"), x=test) == []
    assert found(Row("x", "1", "B", "…")) == ["x is marked B and has neither a test nor a reason"]
    assert found(Row("x", "1", "B", "…", "Because of that.")) == ["the guide does not say of x: Because of that."]
    assert found(Row("x", "1", "B", "…", "Because of that."), "…\nBecause\nof that.") == []
    assert found(Row("x", "1", "B", "…", "Because."), "Because.", x=test) == ["x has a test: take its reason away"]
    assert found(Row("x", "1", "C", "…")) == []
    assert found(Row("x", "1", "D", "…")) == ["x is marked D, which is none of A, B, C"]
    assert found(Row("x", "1", "A", "…"), x=test, y=test) == ["tests/test_x.py: test_x pins y, which is no row"]


def test_marks_are_read_where_tests_stand() -> None:
    python = """
@pytest.mark.tfs("a", "b")
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.tfs("c"))])
def test_x(x): ...
def test_y(): ...
"""
    assert sorted(coverage.python_pins(python)) == [("test_x", "a"), ("test_x", "b"), ("test_x", "c")]
    rust = """
// tfs: a b
#[test]
fn told() {}

#[test]
fn silent() {}

    // tfs: c
    #[tokio::test]
    async fn later() {}
"""
    assert list(coverage.rust_pins(rust)) == [("told", "a"), ("told", "b"), ("later", "c")]
