"""Plans: what they say by default, what they refuse and what they advise, as a file and as flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import InvalidArgument, NotFound
from taxiway.rollout.document import plan_document, read_document
from taxiway.rollout.parse import KEYS, parse_plan
from taxiway.rollout.plan import KNOWN_GUARDS, Goal, Guard, RolloutPlan, Undecided, Watch
from taxiway.rollout.read import read_plan


def parsed(**values: object) -> RolloutPlan:
    return parse_plan({"model": "digits", "to": 2, **values}, "the command line")


def test_a_plan_needs_only_a_model_and_a_version() -> None:
    plan = parsed()
    assert plan.steps == (0.01, 0.05, 0.10, 0.25, 0.50)
    assert [guard.name for guard in plan.guards] == ["errors", "p95"]
    assert plan.undecided is Undecided.HOLD
    assert plan.guard_alpha == pytest.approx(0.005)


def test_times_are_harm_when_they_are_a_quarter_worse_and_never_what_is_nearly_safe() -> None:
    margins = {
        "errors": 0,
        "p95": 0.25,
        "p99": 0.25,
        "p95=x1.5": 0.25,
        "p95=x1.2": 0.1,
        "p95=1pt": 0.25,
        "p95=x3": 0.25,
    }
    for text, margin in {**margins, "p95=0%": 0, "p95=x1.5,10%": 0.1, "errors=x2,0.5pt,5%": 0.05}.items():
        assert parsed(guards=text).guards[0].harm_margin == pytest.approx(margin), text
    assert parsed(guards="p95=10%").guards[0].safe_ratio == 1.5


def test_a_rollout_that_was_kept_without_harm_margins_goes_on_without() -> None:
    kept = {"model": "m", "to": 2, "guards": ["errors=x2,0.5pt", "p95=x1.5"]}
    assert [guard.harm_margin for guard in read_document(kept).guards] == [0, 0]
    now = read_document(plan_document(parsed()))
    assert [guard.harm_margin for guard in now.guards] == [0, 0.25]


def test_a_file_and_flags_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(
        'model = "digits"\nto = 2\nsteps = [5, 50]\nguards = ["errors", "p95=x1.4", "toxic=x2,0.1pt"]\n'
        'goal = "cost:lower"\nmax_duration = "1h30m"\nstep_duration = "90s"\nstep_units = 50\nshadow = 10\n'
        'undecided = "ship"\nrollback_window = "1d"\nharm_alpha = 0.02\n'
    )
    flags = parsed(
        to="2", steps="5,50", guards="errors, p95=x1.4,toxic=x2,0.1pt", goal="cost:lower", max_duration="1h30m",
        step_duration="90s", step_units="50", shadow="10%", undecided="ship", rollback_window="24h", harm_alpha="0.02",
    )  # fmt: skip
    assert read_plan(file) == flags
    assert flags.guards[1] == Guard("p95", safe_ratio=1.4, harm_margin=(1.4 - 1) / 2)
    assert flags.guards[2] == Guard("toxic", safe_ratio=2, safe_points=0.001)
    assert (flags.goal, flags.max_seconds, flags.step_seconds) == (Goal("cost", False), 5400, 90)


def test_flags_may_come_one_by_one() -> None:
    assert parsed(guards=("errors", "p99=1.5")).guards == (
        KNOWN_GUARDS["errors"],
        Guard("p99", safe_ratio=1.5, harm_margin=0.25),
    )


def test_a_closing_hundred_is_the_promotion() -> None:
    assert parsed(steps="10,50,100").steps == (0.1, 0.5)


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"stepz": "1"}, "unknown key 'stepz'", "steps"),
        ({"steps": "10,150"}, "150 %", "control takes as much again"),
        ({"steps": "10,60"}, "60 %", "50 % is the largest"),
        ({"steps": "100"}, "100 %", "50 % is the largest"),
        ({"steps": "0,10"}, "0 %", "50 % is the largest"),
        ({"steps": "10,10"}, "do not grow", "larger"),
        ({"steps": "nan"}, "nan", "50 % is the largest"),
        ({"steps": ""}, "no steps", "steps ="),
        ({"steps": "a,b"}, "steps = 'a,b' in the command line", "percentages"),
        ({"steps": 5}, "steps = 5", "a list"),
        ({"steps": "5,50", "at_most_affected": "50"}, "both steps and at_most_affected", "one of them"),
        ({"at_most_affected": 0}, "at most 0", "at least 1"),
        ({"guards": []}, "no guard", "guards ="),
        ({"guards": "errors,errors"}, "given twice", "one guard a name"),
        ({"guards": "toxic"}, "guards = 'toxic'", "needs a margin"),
        ({"guards": "errors=soon"}, "guards =", "errors=x2,0.5pt"),
        ({"guards": "errors=x2,x3"}, "guards =", "errors=x2,0.5pt"),
        ({"guards": "errors="}, "guards =", "errors=x2,0.5pt"),
        ({"guards": "errors=x1"}, "equality can never be proven", "x1.5"),
        ({"guards": "errors=100pt"}, "100 points", "0.5pt"),
        ({"guards": [""]}, "guards =", "needs a margin"),
        ({"guards": ["a b=x2"]}, "cannot be called", "letters"),
        ({"guards": [3]}, "guards = [3]", "errors"),
        ({"guards": "accuracy"}, "nothing is shadowed", "shadow = 10"),
        ({"guards": "accuracy=x2", "shadow": 10}, "takes points", "accuracy=1pt"),
        ({"goal": "cost:down"}, "goal =", "cost:lower"),
        ({"goal": 3}, "goal = 3", "a metric"),
        ({"max_duration": "soon"}, "max_duration = 'soon'", "1h30m"),
        ({"max_duration": 60}, "max_duration = 60", "1h30m"),
        ({"max_duration": "10m"}, "5 steps of 600 s take 3000 s", "at least 50m"),
        ({"shadow": 101}, "101 %", "0 to 100"),
        ({"to": "two"}, "to = 'two'", "a whole number"),
        ({"to": True}, "to = True", "a whole number"),
        ({"to": -1}, "no version -1", "from 0"),
        ({"model": ""}, "model = ''", "a name"),
        ({"step_units": 0}, "0 units", "at least one"),
        ({"undecided": "maybe"}, "undecided = 'maybe'", "hold"),
        ({"harm_alpha": 1}, "harm_alpha is 1", "0.01"),
        ({"safe_alpha": "much"}, "safe_alpha = 'much'", "0.05"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(values: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parsed(**values)
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("missing", ["model", "to"])
def test_what_must_be_said_is_asked_for(missing: str) -> None:
    values = {"model": "digits", "to": 2}
    del values[missing]
    with pytest.raises(InvalidArgument, match=f"plan.toml does not say '{missing}'"):
        parse_plan(values, "plan.toml")


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    with pytest.raises(NotFound, match=r"plan\.toml"):
        read_plan(file)
    file.write_text("model = ")
    with pytest.raises(InvalidArgument, match="not TOML"):
        read_plan(file)
    with pytest.raises(InvalidArgument, match="cannot read"):
        read_plan(tmp_path)


def test_the_plan_of_the_document_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "concepts" / "evidence.md").read_text("utf-8")
    file = tmp_path / "plan.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    plan = read_plan(file)
    assert [guard.name for guard in plan.guards] == ["errors", "p95", "accuracy"]
    assert (plan.shadow, plan.max_seconds) == (0.1, 14_400)


def test_every_field_of_a_plan_has_a_key() -> None:
    assert {field for field, _ in KEYS.values()} == set(RolloutPlan.__dataclass_fields__)


def test_a_guard_without_a_margin_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="nothing of what is safe"):
        Guard("errors", safe_ratio=None)
    with pytest.raises(InvalidArgument, match="harm margin"):
        Guard("accuracy", Watch.PAIRED, 0.6, None, 0.01)
