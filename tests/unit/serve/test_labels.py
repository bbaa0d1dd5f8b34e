"""A store's labels are labels of requests: what is labelled serves, and a label moves without a gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.errors import Internal
from taxiway.serve.lifecycle import State
from taxiway.serve.plan import Found, View, choose_default, plan, wanted
from taxiway.serve.source import DirectorySource, Observation
from taxiway.serve.watching import source_of
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.settings.table import LATEST, Policy
from taxiway.testing import FakeClock
from tests.unit.serve.test_loop import World
from tests.unit.serve.test_plan import UP, found, load, records


@pytest.fixture
def world() -> World:
    world = World()
    world.want(m=ModelSettings(keep_previous=0))
    return world


def see(world: World, *versions: int, **labels: int) -> None:
    world.loop.observe("m", Observation(tuple(Found(v, f"/m/{v}") for v in versions), labels=labels))


def labels(world: World) -> dict[str, int]:
    return dict(world.plane.tables[-1]["models"]["m"]["labels"])


def test_what_is_labelled_serves_beside_the_newest_which_goes_on_answering_everybody(world: World) -> None:
    see(world, 1, 2, 3, stable=1, canary=3, gone=9)
    world.settle()
    assert world.states("m") == {1: "AVAILABLE", 3: "AVAILABLE"}
    assert (labels(world), world.plane.default("m")) == ({"stable": 1, "canary": 3, "gone": 9}, 3)
    assert world.plane.tables[-1]["labels_used"]


def test_a_label_that_moves_is_served_all_the_time(world: World) -> None:
    see(world, 1, 2, 3, stable=1)
    world.settle()
    before = len(world.plane.tables)
    see(world, 1, 2, 3, stable=2)
    world.settle()
    assert [table["models"]["m"]["labels"] for table in world.plane.tables[before:]][-1] == {"stable": 2}
    assert all(table["models"]["m"]["labels"] for table in world.plane.tables[before:])
    assert world.states("m") == {1: "END", 2: "AVAILABLE", 3: "AVAILABLE"}


def test_a_label_on_a_version_that_does_not_load_stays_where_it_was(world: World) -> None:
    see(world, 1, 3, stable=1)
    world.settle()
    world.plane.fail["m", 2] = [Internal("no memory")]
    see(world, 1, 2, 3, stable=2)
    world.settle()
    assert labels(world) == {"stable": 1} and world.states("m")[1] == "AVAILABLE"


def test_a_label_that_is_taken_away_frees_its_version(world: World) -> None:
    see(world, 1, 3, stable=1)
    world.settle()
    see(world, 1, 3)
    world.settle()
    assert labels(world) == {} and world.states("m") == {1: "END", 3: "AVAILABLE"}


def test_the_configuration_overrules_the_store_and_an_outage_changes_nothing(world: World) -> None:
    world.want(m=ModelSettings(keep_previous=0, labels={"stable": 2}))
    see(world, 1, 2, 3, stable=1, old=1)
    world.settle()
    assert labels(world) == {"stable": 2, "old": 1}
    world.loop.observe("m", Observation(problem="no such bucket"))
    world.settle()
    assert labels(world) == {"stable": 2, "old": 1}


def test_a_label_never_chooses_the_version_that_answers_everybody() -> None:
    listed = View(Policy(None, (2,)), found(1, 2, 5), records(v2=UP), labelled=frozenset({5}))
    assert (wanted(listed), plan(listed, 0.0)) == ({2}, [])
    assert plan(View(LATEST, found(1, 2), records(v2=UP), labelled=frozenset({1, 7})), 0.0) == [load(1)]
    behind = View(LATEST, found(1, 2), records(v1=UP) | records(v2=State.LOADING), labelled=frozenset({1}))
    assert (wanted(behind), choose_default(behind)) == ({1, 2}, None)


def test_a_store_that_holds_no_labels_any_more_keeps_those_it_had(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1").mkdir()
    file = tmp_path / ".taxiway" / "labels.json"
    source = source_of(tmp_path, ServerSettings(), None, FakeClock())  # type: ignore[arg-type]
    assert source.look().labels == {}
    file.parent.mkdir()
    file.write_text('{"labels": {"stable": 1}, "removing": []}')
    assert source.look().labels == {"stable": 1}
    file.write_text("{")
    assert source.look().labels == source.look().labels == {"stable": 1}
    assert len(caplog.records) == 1 and "holds no labels" in caplog.text
    assert DirectorySource(tmp_path, 2.0, FakeClock()).look().labels == {}
