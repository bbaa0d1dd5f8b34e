"""Asking the original: which rows will do, and what is said when it cannot answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxiway.artifacts import Rows, Source, asked_original, asked_rows, save
from taxiway.artifacts.original import answers
from taxiway.artifacts.tokeniser import IDS, Tokeniser
from taxiway.contract import Contract, parse_contract
from taxiway.errors import FailedPrecondition, InvalidArgument, Unavailable, error_of_kind
from taxiway.wire.signatures import Signature, TensorSpec
from tests.unit.artifacts.saved import Pretending

SIGNATURE = ("serving_default", Signature({"x": TensorSpec(1, (None, 2))}, {"y": TensorSpec(1, (None, 2))}))
SOURCE = Source(Path("nowhere"), "m", None, None, "models/m/1", Path("nowhere"))
X = np.arange(640, dtype=np.float32).reshape(320, 2)


def test_rows_that_cannot_show_the_contract_are_refused() -> None:
    with Pretending(dict) as workshop:
        assert asked_rows(workshop, SOURCE, SIGNATURE, Contract(), {"x": X}, None).count == 320
        with pytest.raises(InvalidArgument, match="100 rows, even if all agree, show") as caught:
            asked_rows(workshop, SOURCE, SIGNATURE, Contract(), {"x": X[:100]}, None)
        assert "--contract" in str(caught.value.hint)
        with pytest.raises(InvalidArgument, match="asks for accuracy, and rows in memory has no labels"):
            asked_rows(workshop, SOURCE, SIGNATURE, parse_contract("accuracy>=0.9"), {"x": X}, None)


def test_the_original_is_asked_once_and_its_answers_come_with_its_noise() -> None:
    with Pretending(lambda x: {"y": 2 * x}) as workshop:
        found, told = asked_original(workshop, SOURCE, "serving_default", Rows({"x": X}, None, "rows"))
    assert np.array_equal(found["y"], 2 * X) and told["noise_floor"] == 1e-7 and workshop.asked == ["original"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("UNKNOWN", "models/m/1 cannot be asked these rows: ValueError: wrong"), ("UNAVAILABLE", "\nValueError: wrong")],
)
def test_one_line_of_what_tensorflow_said_is_passed_on(kind: str, said: str) -> None:
    class Fails(Pretending):
        def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
            raise error_of_kind(kind, "\nValueError: wrong\n  in node y")

    with Fails(dict) as workshop, pytest.raises((FailedPrecondition, Unavailable)) as caught:
        asked_original(workshop, SOURCE, "serving_default", Rows({"x": X}, None, "rows"))
    assert caught.value.message.startswith(said) and ("in node" in caught.value.message) == (kind != "UNKNOWN")


def test_texts_become_numbers_only_when_the_tokeniser_makes_the_same(tmp_path: Path) -> None:
    split = Tokeniser("text", True, True, "whitespace", 2, ["late", "again"])
    source = Source(tmp_path, "m", None, None, str(tmp_path / "m.keras"), tmp_path, split)
    signature = ("serving_default", Signature({IDS: TensorSpec(9, (None, 2))}, {}))

    class Tokenises(Pretending):
        wrong = 0

        def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
            assert job == "tokens" and arguments["file"] == str(tmp_path / "m.keras")
            save(arguments["out"], {IDS: np.array([[2, 3], [1, 0]] * 160) + self.wrong})
            return {}

    texts: list[Any] = ["Late again!", b"never"] * 160
    with Tokenises(dict) as workshop:
        for given_rows in (texts, {"text": np.array(texts, object)}):
            found = asked_rows(workshop, source, signature, Contract(), given_rows, None)
            assert found.inputs[IDS][:2].tolist() == [[2, 3], [1, 0]]
        ready = asked_rows(workshop, source, signature, Contract(), {IDS: np.zeros((320, 2), np.int64)}, None)
        assert not ready.inputs[IDS].any()
        workshop.wrong = 1
        with pytest.raises(FailedPrecondition, match="makes other numbers of these texts"):
            asked_rows(workshop, source, signature, Contract(), texts, None)


@given(rows=st.integers(1, 40), batch=st.integers(1, 50))
def test_answers_do_not_depend_on_the_batch(rows: int, batch: int) -> None:
    sizes = []

    def ask(inputs: Mapping[str, Any]) -> dict[str, Any]:
        sizes.append(len(inputs["x"]))
        return {"y": inputs["x"] + inputs["z"]}

    x = np.arange(rows)
    found = answers(ask, {"x": x, "z": 3 * x}, batch)
    assert np.array_equal(found["y"], 4 * x) and sum(sizes) == rows and set(sizes[:-1]) <= {batch}
