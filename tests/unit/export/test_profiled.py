"""The profile that is written with an export, and what ``taxiway inspect`` shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.cli import main as cli
from taxiway.errors import InvalidArgument
from taxiway.export import ProfileRows, export
from taxiway.profile import Categories, read_profile
from taxiway.publish import publish

tf = pytest.importorskip("tensorflow")

pytestmark = pytest.mark.tensorflow

X = np.random.default_rng(1).normal(size=(3000, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
MODEL = (
    lambda x, city: {"probabilities": tf.nn.softmax(tf.stack([-x[:, 0], x[:, 0]], axis=1))},
    [tf.TensorSpec([None, 2], tf.float32, "x"), tf.TensorSpec([None], tf.string, "city")],
)
ROWS = {"x": X, "city": np.array(["Aarhus", "Bern", "Bern"] * 1000)}


def test_training_rows_scores_and_accuracy_are_kept_with_the_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = ({name: rows[:500] for name, rows in ROWS.items()}, 1 - Y[:500])
    version = publish(MODEL, "m", tmp_path / "models", profile=ProfileRows(ROWS, Y, held_out))
    assert version.manifest.profile == "assets.extra/taxiway_profile.json"
    found = read_profile(version.path)
    assert found is not None and found.scores is not None
    assert list(found.features) == ["x[0]", "x[1]", "city"] and found.rows == 3000
    city, answer = found.features["city"], found.answers["answer"]
    assert isinstance(city, Categories) and city.top == {"Bern": 2000, "Aarhus": 1000}
    assert isinstance(answer, Categories) and answer.top == dict(zip("01", np.bincount(Y).tolist(), strict=True))
    assert (found.scores.of, found.scores.rows, found.scores.metrics) == ("validation", 500, {"accuracy": 0.0})
    assert cli.main(["inspect", version.path]) == 0
    shown = capsys.readouterr().out
    for word in ("PROFILE OF 3000 ROWS", "Bern 66.7%", "x[1]", "→ accuracy", "500 validation"):
        assert word in shown


def test_inputs_alone_are_enough_and_few_rows_are_scored(tmp_path: Path) -> None:
    found = export(MODEL, tmp_path / "m", profile=ROWS).profile
    assert found is not None and found.scores is not None
    assert (found.scores.of, found.scores.rows, found.answers) == ("training", 2000, {})
    both = export(MODEL, tmp_path / "n", profile=(ROWS, Y)).profile
    assert both is not None and both.scores is not None and both.scores.metrics == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"x": X}, "lack the input 'city'"),
        ({**ROWS, "z": Y}, "do not fit 'serving_default': 'z' is no input"),
        ({**ROWS, "x": Y}, "1 dimensions in 'x', not 2"),
        ({**ROWS, "x": X[:7]}, "as many in each array"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, rows: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        export(MODEL, tmp_path / "m", profile=rows)
    assert not (tmp_path / "m").exists()
