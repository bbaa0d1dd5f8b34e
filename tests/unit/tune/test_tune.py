"""`taxiway.tune` of a job that is an object, in this process: values, early stopping, models, and what goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import taxiway
from taxiway.cli.main import main
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.tune import Float, Goal, Int, Space, Study, TrialState, list_studies, open_study, resume
from taxiway.tune.api import describe
from taxiway.tune.study import alone

pytest.importorskip("optuna")
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
SPACE = Space({"rate": Float(0.01, 0.2)})
GOAL = "minimize:val_loss"


class Line:
    """y = a + b, learned by one neuron."""

    @staticmethod
    def build_model(params: Mapping[str, Any]) -> Any:
        import keras

        if params["rate"] > params.get("limit", 1):
            raise ValueError(f"rate {params['rate']:.1f} is over the limit")
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(params["rate"]), "mse")
        return model

    @staticmethod
    def datasets(context: Any) -> Any:
        import numpy as np

        x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
        return (x, x.sum(axis=1)), (x, x.sum(axis=1))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, list[str]]:
    """A study of four trials, and the lines that it said."""
    said: list[str] = []
    folder = tmp_path_factory.mktemp("studies")
    study = taxiway.tune(Line, SPACE, goal=GOAL, trials=4, epochs=2, studies=folder, keep_models=2, say=said.append)
    return study, said


def test_a_study_finds_the_best_rate_and_says_how_it_goes(line: tuple[Study, list[str]]) -> None:
    study, said = line
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 4
    best = study.best
    assert best is not None and study.status == "finished"
    assert said[-1].startswith("4/4  trial 3  val_loss ") and f"(trial {best.number})" in said[-1]
    assert study.best_run.metrics["val_loss"] == best.value == best.epochs[2]


def test_a_trial_is_a_run_with_its_parameters_and_a_seed_of_its_own(line: tuple[Study, list[str]]) -> None:
    study = line[0]
    for one in study.trials:
        run = study.run(one.number)
        assert run.request.params == one.params and run.request.seed == one.number
        assert run.record["trial"] == {"study": study.id, "number": one.number, "state": "complete"}


def test_the_best_models_are_kept_and_no_other(line: tuple[Study, list[str]]) -> None:
    from taxiway.tune.trials import ranked

    study = line[0]
    best = {one.number for one in ranked(study.trials, Goal("val_loss", "minimize"))[:2]}
    for name in ("model", "checkpoints"):
        assert {int(path.parent.name) for path in (study.path / "trials").glob(f"*/{name}")} == best


def test_the_same_study_again_changes_nothing_and_another_one_is_refused(line: tuple[Study, list[str]]) -> None:
    study = line[0]
    again = taxiway.tune(Line, SPACE, goal=GOAL, trials=4, epochs=2, study_dir=study.path, keep_models=2)
    assert len(again.trials) == 4
    with pytest.raises(InvalidArgument, match="asked for something else: request, budget"):
        taxiway.tune(Line, SPACE, goal=GOAL, trials=7, epochs=3, study_dir=study.path, keep_models=2)


def test_show_prints_trials_best_first_and_draws_pictures(
    line: tuple[Study, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    study = line[0]
    assert main(["tune", "show", str(study.path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    values = [one["value"] for one in shown["all"]]
    assert values == sorted(values) and len(values) == 4
    assert shown["importance"] == {"rate": 1.0}
    drawn = [Path(path) for path in shown["pictures"]]
    assert [path.name for path in drawn] == [
        "history.svg", "history.png", "importance.svg", "importance.png", "slices.svg", "slices.png"
    ]  # fmt: skip
    assert all(path.stat().st_size > 1000 for path in drawn)
    assert "val_loss" in drawn[0].read_text() and "best so far" in drawn[0].read_text()

    assert main(["tune", "show", study.id, "--studies", str(study.path.parent), "--no-pictures"]) == 0
    text = capsys.readouterr().out
    assert "VAL_LOSS" in text and "PARAMETER  IMPORTANCE" in text and "picture:" not in text


def test_list_shows_studies_newest_first(line: tuple[Study, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    study = line[0]
    assert [one.id for one in list_studies(study.path.parent)] == [study.id]
    assert main(["tune", "list", "--studies", str(study.path.parent)]) == 0
    assert f"{study.id}  finished" in capsys.readouterr().out


def test_pictures_are_the_same_bytes_again(line: tuple[Study, list[str]]) -> None:
    from taxiway.tune.pictures import draw

    first = [path.read_bytes() for path in draw(line[0], {"rate": 1.0}) if path.suffix == ".svg"]
    assert [path.read_bytes() for path in draw(line[0], {"rate": 1.0}) if path.suffix == ".svg"] == first


def test_a_trial_whose_value_is_no_number_is_stopped_and_does_not_fail(tmp_path: Path) -> None:
    study = taxiway.tune(
        Line, {"rate": {"type": "choice", "values": [1e30]}}, goal=GOAL, trials=1, epochs=5, params={"limit": 1e31},
        studies=tmp_path,
    )  # fmt: skip
    (one,) = study.trials
    assert one.state is TrialState.STOPPED and one.value is None and study.best is None
    assert study.status == "finished" and len(study.run(0).history) < 5
    assert study.run(0).record["trial"]["state"] == "stopped"


def test_a_job_that_raises_ends_in_failed_trials_and_then_in_one_error(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        taxiway.tune(Line, SPACE, goal=GOAL, trials=4, max_failed=1, params={"limit": 0}, study_dir=tmp_path / "study")
    assert caught.value.message.startswith("2 trials failed; 1 may. Trial 1: ")
    assert "build_model raised: ValueError: rate 0." in caught.value.message
    study = open_study(tmp_path / "study")
    assert [one.state for one in study.trials] == [TrialState.FAILED] * 2 and study.status == "failed"
    assert study.run(0).status == "failed" and "over the limit" in study.run(0).record["error"]
    with pytest.raises(FailedPrecondition, match="has no complete trial"):
        _ = study.best_run
    with pytest.raises(FailedPrecondition, match="has no complete trial"):
        taxiway.publish(study.path, "line", tmp_path / "models")


def test_a_goal_that_the_job_does_not_have_fails_at_the_first_trial(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        taxiway.tune(Line, SPACE, goal="minimize:val_los", trials=4, studies=tmp_path)
    assert caught.value.message == "The job has no metric val_los; it has loss, val_loss."
    assert caught.value.hint == "Did you mean val_loss?"
    assert len(list_studies(tmp_path)[0].trials) == 1


def test_a_study_is_worked_on_by_one_command_at_a_time(line: tuple[Study, list[str]]) -> None:
    with alone(line[0].path):
        assert line[0].status == "running"
        with pytest.raises(FailedPrecondition, match="Another process works on"):
            resume(line[0].path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "The study has no goal."),
        ({"goal": "val_loss"}, "'val_loss' is no goal."),
        ({"goal": GOAL, "trials": 0}, "trials is 0; it must be a whole number, at least 1."),
        ({"goal": GOAL, "seconds": 0}, "seconds is 0; it must be a number, more than 0."),
        ({"goal": GOAL, "keep_models": 0}, "keep_models is 0; it must be a whole number, at least 1."),
        ({"goal": GOAL, "algorithm": "grid"}, "A grid needs steps; rate has none."),
        ({"goal": GOAL, "strategy": "multi-worker"}, "A trial trains in one process."),
        ({"goal": GOAL, "workers": 2}, "A trial trains in one process."),
        ({"goal": GOAL, "params": {"rate": 1}}, "rate is both given and searched."),
        ({"goal": GOAL, "epochs": 0}, "epochs is 0; it must be a whole number, at least 1."),
    ],
)
def test_a_study_that_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        describe("job.py", SPACE, **options)
    assert caught.value.message == said


def test_what_is_asked_for_goes_before_what_the_file_says() -> None:
    document = {"n": {"type": "int", "low": 1, "high": 9}, "goal": {"metric": "loss", "direction": "minimize"}}
    document["budget"] = {"trials": 3, "max_failed": 2}
    found = describe("job.py", document, goal="maximize:accuracy", trials=5, epochs=2)
    assert found.goal == Goal("accuracy", "maximize") and found.space == Space({"n": Int(1, 9)})
    assert (found.budget.trials, found.budget.max_failed, found.request.epochs) == (5, 2, 2)


def test_an_object_is_trained_in_one_process(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="Several processes cannot share a job that is an object"):
        taxiway.tune(Line, SPACE, goal=GOAL, parallel=2, studies=tmp_path)


def test_without_optuna_one_sentence_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    (tmp_path / "space.toml").write_text('[n]\ntype = "int"\nlow = 1\nhigh = 3\n')
    code = main(["tune", "job.py", "--space", str(tmp_path / "space.toml"), "--goal", GOAL, "--studies", str(tmp_path)])
    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: Tuning needs Optuna, which is not installed.", 'hint: pip install "taxiway[tune]"'
    ]  # fmt: skip
    assert list_studies(tmp_path) == []


def test_a_call_without_job_or_space_or_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "start"]) == 2 and "No job was named." in capsys.readouterr().err
    assert main(["tune", "job.py"]) == 2 and "No space was named." in capsys.readouterr().err
    assert main(["tune", "show", str(tmp_path)]) == 1 and "There is no study" in capsys.readouterr().err
    with pytest.raises(NotFound, match="it has no study.json"):
        resume(tmp_path)


def test_the_help_of_the_command_shows_the_options_of_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--help"]) == 0
    text = capsys.readouterr().out
    assert "JOB | COMMAND" in text and "--parallel" in text and "show " in text
