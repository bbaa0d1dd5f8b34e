"""The report: JSON and back, a table, a page, a picture; and what is recommended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from taxiway.contract import (
    COLUMNS,
    Agreement,
    Contract,
    Report,
    Variant,
    parse_limits,
    parse_report,
    picture,
    recommend,
)
from taxiway.errors import DataLoss, InvalidArgument, Unimplemented

GOOD = Agreement(360, 360, 1.0, 0.9917, 2e-7, 1e-8, accuracy=0.975, reference_accuracy=0.975)
FLOAT32 = Variant("float32", True, "360 of 360 rows agree", GOOD, 446_000, 410_000, 24.0, "float32.tflite")
INT8 = Variant(
    "int8", True, "360 of 360 rows agree", GOOD, 115_000, 98_000, 12.0, "int8.tflite", notes={"io": "float32"}
)
INT4 = Variant(
    "int4", False, "half of them", replace(GOOD, agreeing=180, agreement=0.5, agreement_lower=0.45), 60_000, 50_000, 5.0
)
BROKEN = Variant("float16", False, "it cannot be converted: a | b")
REPORT = Report(
    "edge", "digits", 3, "models/digits/3", Contract(), 360, "rows.npz", 1e-7, [FLOAT32, INT8, INT4, BROKEN]
)


def test_a_report_comes_back_from_json() -> None:
    report = replace(
        REPORT, recommendation=recommend(REPORT.variants, parse_limits("bytes<=200k")), made_with={"x": "1"}
    )
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))
    again = parse_report(document, "report.json")
    assert again.as_json() == report.as_json() and again.table() == report.table()
    assert [one["name"] for one in document["variants"]] == ["float32", "int8", "int4", "float16"]
    assert document["variants"][3] == {"name": "float16", "kept": False, "reason": "it cannot be converted: a | b"}


@pytest.mark.parametrize("spoilt", [{"variants": [{}]}, {"contract": {"sense": 1}}, {"rows": "many"}])
def test_what_is_no_report_is_refused(spoilt: dict[str, Any]) -> None:
    with pytest.raises(DataLoss, match=r"report\.json is no report of artefacts"):
        parse_report({**REPORT.as_json(), **spoilt}, "report.json")
    with pytest.raises(Unimplemented, match="has schema 9"):
        parse_report({**REPORT.as_json(), "schema": 9}, "report.json")


def test_the_table_has_a_row_a_variant() -> None:
    rows = REPORT.table()
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert rows[1] == (
        "int8",
        "written",
        "100.00 %",
        "2.0e-07",
        "0.9750",
        "115.0 kB",
        "98.0 kB",
        "12 µs",
        "360 of 360 rows agree",
    )
    assert rows[3][1:] == ("refused", "", "", "", "", "", "", "it cannot be converted: a | b")
    page = REPORT.markdown()
    assert (
        page.startswith("# Digits version 3, edge artefacts\n")
        and "`agreement>=0.99@0.95` on 360 rows (rows.npz)" in page
    )
    assert "| int4 | refused | 50.00 % |" in page and "a \\| b" in page


def test_the_picture_shows_what_ran_and_is_the_same_each_time() -> None:
    drawn = picture(REPORT)
    texts = [one.text for one in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("int8") == 2 and "digits version 3: 2 of 4 variants written" in texts
    assert "float16" not in texts
    assert drawn == picture(REPORT)
    price = replace(GOOD, agreeing=None, agreement=None, agreement_lower=None)
    assert b"largest difference" in picture(replace(REPORT, variants=[replace(INT8, agreement=price)]))
    assert b"0 of 1 variants written" in picture(replace(REPORT, variants=[BROKEN]))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("bytes<=500k", "For bytes<=500000: take int8, the fastest of the 2 that fit: 115,000 bytes, 12 µs."),
        ("latency_us<=30", "For latency_us<=30: take int8, the smallest of the 2 that fit: 115,000 bytes, 12 µs."),
        ("gzip_bytes<=0.1M,latency_us<=20",
         "For gzip_bytes<=100000 and latency_us<=20: take int8, 115,000 bytes, 12 µs, and the only one that fits."),
        ("bytes<=1000", "For bytes<=1000: none fits; the least bytes is 115,000, of int8."),
        ("latency_us<=6", "For latency_us<=6: none fits; the least latency_us is 12, of int8."),
    ],
)  # fmt: skip
def test_what_is_recommended(asked: str, said: str) -> None:
    assert str(recommend(REPORT.variants, parse_limits(asked))) == said


def test_limits_that_only_different_variants_keep_are_kept_by_none() -> None:
    slow = replace(INT8, latency_us=90.0)
    found = recommend([FLOAT32, slow], parse_limits("bytes<=200k,latency_us<=50"))
    assert str(found) == "For bytes<=200000 and latency_us<=50: none fits all limits at once."
    assert "every variant was refused" in str(recommend([INT4], parse_limits("bytes<=200k")))


@pytest.mark.parametrize("text", ["", "bytes<200", "weight<=3", "bytes<=1.2.3", "bytes<=2G", "bytes<=1,bytes<=2"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"is no limit|limited twice"):
        parse_limits(text)


def test_rows_that_the_noise_leaves_out_are_told() -> None:
    report = replace(REPORT, left_out=2)
    assert "move by 1e-07 (2 rows at a step left out) when" in report.markdown()
    assert parse_report(report.as_json(), "report.json").left_out == 2
    assert "left_out" not in REPORT.as_json() and "left out" not in REPORT.markdown()
