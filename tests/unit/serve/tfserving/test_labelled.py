from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taxiway.errors import InvalidArgument
from taxiway.serve.tfserving.labelled import LabelledPlane


class Plane:
    """Remembers tables; refuses them when told to."""

    def __init__(self) -> None:
        self.tables: list[Any] = []
        self.refuses = False

    def publish(self, table: Any) -> None:
        if self.refuses:
            raise InvalidArgument("no")
        self.tables.append(table)

    def start(self) -> Any:
        return {"rest": None, "grpc": None}

    def load(self, spec: Any) -> Any:
        return spec

    def on_reload(self, handler: Callable[[bytes], bytes]) -> None:
        raise InvalidArgument("no configs here")

    def counter(self, name: str) -> int:
        return len(name)

    def stats(self) -> Any:
        return {"connections": 1}

    def stop(self, drain_seconds: float) -> bool:
        return drain_seconds == 3

    def outcomes(self, model: str) -> None:
        return None


def table(**models: list[int]) -> Any:
    shown = {
        name: {"versions": {str(v): 7 for v in versions}, "labels": {"of": 1}} for name, versions in models.items()
    }
    return {"models": shown, "labels_used": False, "ready": True, "reason": ""}


def labels(plane: Plane) -> Any:
    return {name: model["labels"] for name, model in plane.tables[-1]["models"].items()}, plane.tables[-1][
        "labels_used"
    ]


def test_labels_are_shown_whatever_serves_and_replaced_as_a_whole() -> None:
    plane = Plane()
    labelled = LabelledPlane(plane)
    labelled.publish(table(a=[1]))
    assert labels(plane) == ({"a": {}}, False)
    labelled.label({"a": {"stable": 1, "canary": 9}, "gone": {"x": 1}})
    assert labels(plane) == ({"a": {"stable": 1, "canary": 9}}, True)
    labelled.publish(table(a=[1], b=[2]))
    assert labels(plane) == ({"a": {"stable": 1, "canary": 9}, "b": {}}, True)
    labelled.label({})
    assert labels(plane) == ({"a": {}, "b": {}}, True)


def test_labels_before_the_first_table_come_with_it() -> None:
    plane = Plane()
    labelled = LabelledPlane(plane)
    labelled.label({"a": {"stable": 1}})
    assert plane.tables == []
    labelled.publish(table(a=[1]))
    assert labels(plane) == ({"a": {"stable": 1}}, True)


def test_a_table_that_is_refused_changes_nothing() -> None:
    plane = Plane()
    labelled = LabelledPlane(plane)
    labelled.publish(table(a=[1]))
    plane.refuses = True
    with pytest.raises(InvalidArgument):
        labelled.label({"a": {"stable": 1}})
    with pytest.raises(InvalidArgument):
        labelled.publish(table(a=[2]))
    plane.refuses = False
    labelled.publish(table(a=[1, 3]))
    assert labels(plane) == ({"a": {}}, False)
    assert labelled.available() == {"a": {1, 3}}


def test_everything_else_goes_through() -> None:
    labelled = LabelledPlane(Plane())
    assert labelled.start() == {"rest": None, "grpc": None}
    assert labelled.load({"name": "a"}) == {"name": "a"}  # type: ignore[comparison-overlap]
    assert labelled.stats() == {"connections": 1}
    assert labelled.counter("four") == 4
    assert labelled.stop(3) and not labelled.stop(4)
    assert not labelled.wait_until(lambda table: False, 0.0)
