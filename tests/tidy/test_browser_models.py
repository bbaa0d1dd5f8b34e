"""The table of seven web pages is drawn from its measurements, and they say what they must."""

from __future__ import annotations

import json

import pytest

from examples.edge.models import EXAMPLES
from examples.edge.pages import RESULTS
from taxiway.browser import DEFAULT_BACKENDS, QUANTISATIONS
from taxiway.contract import Agreement, Variant, judge, parse_report
from tools import browser_models_page

MODELS = json.loads(RESULTS.read_text(encoding="utf-8"))["models"]


def test_the_page_is_what_the_measurements_say() -> None:
    page = RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert page == browser_models_page.render()
    assert list(MODELS) == list(EXAMPLES)
    assert all(f"## {name}\n" in page for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_weights_of_a_model_are_written_or_refused_with_a_reason(name: str) -> None:
    report = parse_report(MODELS[name]["report"], name)
    assert [one.name for one in report.variants] == list(QUANTISATIONS)
    for one in report.variants:
        assert one.reason and bool(one.file) == one.kept
        assert one.agreement is not None
        verdict = judge(one.agreement, one.contract or report.contract, report.noise_floor)
        assert (verdict.kept, verdict.reason) == (one.kept, one.reason), one.name


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_float32_page_gives_the_numbers_of_tensorflow_everywhere(name: str) -> None:
    report = parse_report(MODELS[name]["report"], name)
    whole = report.variants[0]
    assert whole.kept and browser_models_page.bound(whole, report.noise_floor)
    assert list(whole.notes["backends"]) == list(DEFAULT_BACKENDS)
    assert not any("error" in found for found in whole.notes["backends"].values())


def test_the_bound_that_held_is_the_narrowest() -> None:
    def held(largest: float, floor: float) -> str:
        found = Agreement(1, None, None, None, largest, 0.0)
        return browser_models_page.bound(Variant("float32", True, "", agreement=found), floor)

    assert held(9e-6, 1e-4) == "1e-5"
    assert held(2e-5, 3e-5) == "its noise floor, 3.0e-05"
    assert held(4e-5, 1e-5) == "8.0e-05, what its noise floor allows"
    assert held(9e-5, 1e-5) == ""
