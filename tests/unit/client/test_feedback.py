"""Feedback on many answers at once, over both protocols, against a small server in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from taxiway.client import Client, Feedback
from taxiway.client.feedback import give_all
from taxiway.errors import InvalidArgument, Unavailable
from tests.unit.client.conftest import Model
from tests.waiting import PATIENCE_SECONDS


def test_every_feedback_is_counted_by_what_became_of_it(client: Client, model: Model) -> None:
    rows = [
        Feedback("id-1", label=7),
        Feedback("id-2", value=2.5),
        Feedback("id-3", correct=False),
        Feedback("id-4", label=["cat", 2]),
        Feedback("id-no-class", label="cat", where="line 6"),
        Feedback("gone-1", correct=True),
        Feedback("gone-2", correct=True),
    ]
    counts = client.feedback_many("m", rows, at_once=1)
    assert (counts.joined, counts.repeated, counts.unknown, counts.refused) == (4, 0, 2, 1)
    assert [(one.where, reason) for one, reason in counts.refusals] == [
        ("line 6", "The answer's first output is no class")
    ]
    assert counts.unknown_because == "No answer with the id gone-1 is remembered"
    assert model.said["id-1"]["label"] == ["7"] and model.said["id-4"]["label"] == ["cat", "2"]
    assert (model.said["id-2"]["value"], model.said["id-3"]["correct"]) == (2.5, False)
    again = client.feedback_many("m", rows)
    assert (again.joined, again.repeated, again.unknown, again.refused) == (0, 4, 2, 1)


def test_a_server_that_is_gone_ends_it_and_nothing_more_is_taken(client: Client, model: Model) -> None:
    model.faults += [Unavailable("gone")] * 4
    taken = list[str]()

    def rows() -> Iterator[Feedback]:
        for number in range(1000):
            taken.append(f"id-{number}")
            yield Feedback(taken[-1], correct=True)

    with pytest.raises(Unavailable, match="gone"):
        client.feedback_many("m", rows(), at_once=1)
    assert taken == ["id-0"]


def test_as_many_as_asked_are_under_way_together() -> None:
    together = threading.Barrier(5, timeout=PATIENCE_SECONDS)

    def give(_: Feedback) -> bool:
        together.wait()
        return True

    counts = give_all((Feedback(f"id-{number}", correct=True) for number in range(20)), give, at_once=5)
    assert counts.joined == 20
    with pytest.raises(InvalidArgument, match="1 to 64"):
        give_all([], give, at_once=0)


def test_feedback_says_one_thing_of_one_answer() -> None:
    with pytest.raises(InvalidArgument, match="exactly one"):
        Feedback("id")
    with pytest.raises(InvalidArgument, match="exactly one"):
        Feedback("id", label=1, correct=True)
    with pytest.raises(InvalidArgument, match="names no request"):
        Feedback("", correct=True)
