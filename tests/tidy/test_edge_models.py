"""The table of seven models is drawn from its measurements, and they say what they must."""

from __future__ import annotations

import json

from examples.edge.models import EXAMPLES, RECURRENT
from examples.edge.table import RESULTS
from taxiway.contract import judge, parse_report
from taxiway.edge import DEFAULT_VARIANTS
from tools import edge_models_page

MODELS = json.loads(RESULTS.read_text(encoding="utf-8"))["models"]


def test_the_page_is_what_the_measurements_say() -> None:
    page = RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert page == edge_models_page.render()
    assert list(MODELS) == list(EXAMPLES) == list(edge_models_page.TELLS)
    assert all(f"## {name}\n" in page for name in EXAMPLES)


def test_every_variant_of_every_model_is_written_or_refused_with_a_reason() -> None:
    reports = {name: kept["report"] for name, kept in MODELS.items()}
    reports |= {f"{name} unrolled": kept["unrolled"] for name, kept in MODELS.items() if "unrolled" in kept}
    for name, document in reports.items():
        report = parse_report(document, name)
        assert [one.name for one in report.variants] == list(DEFAULT_VARIANTS)
        for one in report.variants:
            assert one.reason and bool(one.file) == one.kept
            if one.agreement is not None and one.agreement.agreeing is not None:
                verdict = judge(one.agreement, one.contract or report.contract, report.noise_floor)
                assert (verdict.kept, verdict.reason) == (one.kept, one.reason), f"{name} {one.name}"


def test_every_model_has_a_float32_file() -> None:
    assert all(parse_report(kept["report"], name).variants[0].kept for name, kept in MODELS.items())


def test_recurrent_models_take_one_row_or_are_unrolled() -> None:
    for name in RECURRENT:
        looped, unrolled = (parse_report(MODELS[name][key], name).variants[0] for key in ("report", "unrolled"))
        assert looped.kept and unrolled.kept
        assert looped.notes["batch"] == 1 and "batch" not in unrolled.notes
