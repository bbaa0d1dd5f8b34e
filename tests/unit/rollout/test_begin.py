"""What a rollout may begin with: nothing that the data plane would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.rollout.arms import experiment_document, parse_experiment
from taxiway.rollout.begin import name_of
from tests.routes import BASE, REFUSED, plans, routes
from tests.unit.rollout.serving import Begin


@pytest.mark.parametrize("said", [said for said, _ in REFUSED.values()], ids=list(REFUSED))
def test_what_the_data_plane_would_refuse_may_not_begin(said: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        routes({**BASE, **said}, "1")
    assert refused.value.hint


@pytest.mark.parametrize("said", [{"key": "x user"}, {"arms": ["größe=2:10"], "goal": "revenue"}], ids=["key", "arm"])
def test_it_is_refused_to_who_asks_and_in_the_settings(serving: Begin, said: Mapping[str, Any]) -> None:
    server = serving(versions=2)
    with pytest.raises(InvalidArgument) as refused:
        server.controller.begin("digits", {"to": 2, **said}, "ann", 0.0)
    assert refused.value.hint
    with pytest.raises(InvalidArgument):
        serving(rollout=dict(said), versions=2)


@given(model=st.text(min_size=1, max_size=300))
def test_a_model_may_be_called_what_a_route_may_not(model: str) -> None:
    name = name_of(model, 2, "5f3a9c01")
    assert name.endswith("-2-5f3a9c01") and len(name) <= 100
    assert name.isascii() and name.isprintable() and " " not in name


@given(values=plans())
@settings(max_examples=200, deadline=None)
def test_an_experiment_that_may_begin_is_read_again_as_it_was(values: dict[str, Any]) -> None:
    if "arms" not in values:
        return
    try:
        tried = parse_experiment(values, "here")
    except TaxiwayError:
        return
    assert parse_experiment(experiment_document(tried), "the journal") == tried
