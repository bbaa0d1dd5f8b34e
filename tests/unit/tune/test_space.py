"""The declared space: what it is, and every mistake named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import InvalidArgument, NotFound
from taxiway.tune.description import Goal
from taxiway.tune.read import read_declaration
from taxiway.tune.space import Choice, Float, Int, Space

MISTAKES: list[tuple[Any, str]] = [
    (lambda: Float(1, 1), "low is 1.0 and high is 1.0; low must be less."),
    (lambda: Float(0, 1, log=True), "low is 0.0; on a logarithmic scale it must be more than 0."),
    (lambda: Float(1, 2, log=True, step=0.5), "log and step exclude each other."),
    (lambda: Float(0, 1, step=0), "step is 0.0; it must be more than 0."),
    (lambda: Float(0, 1, step=2), "step is 2.0; from 0.0 to 1.0 there is no room for it."),
    (lambda: Float(float("nan"), 1), "low is nan, not a number."),
    (lambda: Float(True, 2), "low is True, not a number."),
    (lambda: Float("a", 2), "low is 'a', not a number."),  # type: ignore[arg-type]
    (lambda: Float(1, 2, log="yes"), "log is 'yes', neither true nor false."),  # type: ignore[arg-type]
    (lambda: Int(1.5, 2), "low is 1.5, not a whole number."),  # type: ignore[arg-type]
    (lambda: Int(5, 2), "low is 5 and high is 2; low must be less."),
    (lambda: Int(1, 9, log=True, step=2), "log and step exclude each other."),
    (lambda: Int(1, 9, step=0), "step is 0; it must be more than 0."),
    (lambda: Choice([]), "values is empty; there is nothing to choose from."),
    (lambda: Choice("relu"), "values is 'relu', not a list."),
    (lambda: Choice([1, 2, 1.0]), "values holds 1.0 twice."),
    (lambda: Choice([[1], [2]]), "values holds [1]; a value is a text, a number, a boolean or None."),
    (lambda: Space({}), "The space has no parameters."),
    (lambda: Space({"a b": Float(0, 1)}), "'a b' cannot be a parameter's name."),
    (lambda: Space({"rate": 3}), "rate is 3, not a table."),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("make", "said"), MISTAKES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_mistake_is_named(make: Any, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert caught.value.message == said


def test_steps_have_no_dust_of_binary_fractions() -> None:
    assert Float(0.1, 0.5, step=0.1).values() == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert Float(0.1, 0.5, step=0.1).cast(0.30000000000000004) == 0.3
    assert Float(0, 1, step=0.3).values() == (0.0, 0.3, 0.6, 0.9)


def test_values_are_cast_to_what_was_declared() -> None:
    space = Space({"units": Int(8, 64), "size": Choice([16, 32]), "rate": Float(0, 1), "name": Choice(["a", None])})
    cast = space.cast({"name": None, "rate": 1, "size": 32.0, "units": 16.0})
    assert cast == {"units": 16, "size": 32, "rate": 1.0, "name": None}
    assert [type(one) for one in cast.values()] == [int, int, float, type(None)]
    assert list(cast) == ["units", "size", "rate", "name"]


def test_a_grid_has_every_point_once() -> None:
    space = Space({"a": Int(1, 5, step=2), "b": Choice(["x", "y"])})
    assert space.size() == 6
    assert list(space.grid())[:3] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 3, "b": "x"}]


def test_a_grid_needs_steps_and_an_end() -> None:
    with pytest.raises(InvalidArgument, match="A grid needs steps; rate has none"):
        Space({"rate": Float(0, 1)}).size()
    with pytest.raises(InvalidArgument, match="1,000,000 points"):
        Space({"a": Int(1, 1000), "b": Int(1, 1000)}).size()


def test_a_space_is_read_back_from_its_document() -> None:
    space = Space(
        {"a": Float(1e-4, 0.1, log=True), "b": Float(0, 1, step=0.1), "c": Int(1, 9, step=2), "d": Choice([1])}
    )
    assert Space(space.as_json()) == space


FILE = """
[rate]
type = "float"
low = 1e-4
high = 0.1
log = true

[goal]
metric = "val_accuracy"
direction = "maximize"

[budget]
trials = 7

[search]
algorithm = "random"
"""


def test_a_file_declares_space_goal_budget_and_search(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(FILE)
    found = read_declaration(tmp_path / "space.toml")
    assert found.space == Space({"rate": Float(1e-4, 0.1, log=True)})
    assert found.goal == Goal("val_accuracy", "maximize")
    assert found.budget == {"trials": 7} and found.search == {"algorithm": "random"}


TYPOS = [
    ("high = 0.1", "hihg = 0.1", "[rate] has an unknown key 'hihg'.", "Did you mean high?"),
    ('type = "float"', 'type = "flaot"', "[rate] has the type 'flaot'.", "Did you mean float?"),
    ('type = "float"', "", "[rate] has no type.", "It is one of float, int, choice"),
    ("low = 1e-4\n", "", "[rate] has no low.", "A float needs low and high."),
    ("low = 1e-4", "low = 2", "[rate] low is 2.0 and high is 0.1; low must be less.", None),
    ("trials = 7", "trails = 7", "[budget] has an unknown key 'trails'.", "Did you mean trials?"),
    ("trials = 7", "trials = 0", "[budget] trials is 0; it must be a whole number, at least 1.", None),
    ("maximize", "maximise", "[goal] The goal's direction is 'maximise'.", "Did you mean maximize?"),
    ('metric = "val_accuracy"\n', "", "[goal] has no metric.", "It has metric and direction."),
    ('"random"', '"bayes"', "[search] There is no algorithm 'bayes'.", "It is one of tpe, grid, random"),
]


@pytest.mark.parametrize(("right", "wrong", "said", "hint"), TYPOS, ids=lambda one: str(one).strip())
def test_a_typo_is_named_by_file_table_and_key(
    right: str, wrong: str, said: str, hint: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "space.toml"
    path.write_text(FILE.replace(right, wrong))
    with pytest.raises(InvalidArgument) as caught:
        read_declaration(path)
    assert caught.value.message == f"{path}: {said}" and caught.value.hint == hint


def test_a_file_that_is_not_there_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        read_declaration(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("[rate")
    with pytest.raises(InvalidArgument, match="it is no TOML"):
        read_declaration(tmp_path / "bad.toml")


def test_a_parameter_may_be_called_goal() -> None:
    found = read_declaration({"goal": {"type": "int", "low": 1, "high": 3}})
    assert found.goal is None and found.space == Space({"goal": Int(1, 3)})


def test_the_example_s_space_is_the_one_that_the_guide_shows() -> None:
    root = Path(__file__).parents[3]
    text = (root / "examples" / "digits" / "space.toml").read_text()
    assert text.partition("\n\n")[2] in (root / "docs" / "guides" / "tune.md").read_text()
    found = read_declaration(root / "examples" / "digits" / "space.toml")
    assert list(found.space.parameters) == ["rate", "hidden", "dropout"] and found.goal is not None
