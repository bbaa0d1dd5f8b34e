"""The declarations of a page's loader."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxiway.browser.typings import typings
from taxiway.wire.signatures import Signature, TensorSpec

FLOAT, INT32, STRING_NAME = 1, 3, re.compile(r'^  ("(?:[^"\\]|\\.)*"|[A-Za-z_$][\w$]*): ', re.MULTILINE)
NAMES = st.dictionaries(st.text(min_size=1, max_size=8), st.sampled_from([FLOAT, INT32, 9, 10]), min_size=1, max_size=4)


def block(text: str, name: str) -> str:
    return text.partition(f"export interface {name} {{\n")[2].partition("\n}")[0]


@pytest.mark.parametrize(
    ("number", "array"), [(FLOAT, "Float32Array"), (INT32, "Int32Array"), (9, "Int32Array"), (10, "Uint8Array")]
)
def test_an_output_is_an_array_of_its_type(number: int, array: str) -> None:
    signature = Signature({"x": TensorSpec(FLOAT, (None, 8, 8))}, {"y": TensorSpec(number, (None, 10))})
    text = typings(signature, "digits 3")
    assert "// What this folder's model takes and gives. digits 3.\n" in text
    assert block(text, "Inputs") == "  /** float32 [?, 8, 8] */\n  x: Values;"
    assert block(text, "Outputs").endswith(f"[?, 10] */\n  y: Tensor<{array}>;")


@given(NAMES, NAMES)
def test_every_name_is_declared_once_as_it_is(inputs: dict[str, int], outputs: dict[str, int]) -> None:
    given, answered = ({name: TensorSpec(n, (None, 2)) for name, n in one.items()} for one in (inputs, outputs))
    text = typings(Signature(given, answered), "m")
    for name, wanted in (("Inputs", inputs), ("Outputs", outputs)):
        found = STRING_NAME.findall(block(text, name))
        assert [json.loads(one) if one.startswith('"') else one for one in found] == list(wanted)


@given(st.text())
def test_a_title_stays_in_its_comment(title: str) -> None:
    signature = Signature({"x": TensorSpec(FLOAT, (None,))}, {"y": TensorSpec(FLOAT, (None,))})
    lines = re.split("[\n\r\u2028\u2029]", typings(signature, title))
    assert lines[0].startswith("//") and lines[1] == "" and lines[2] == "export interface Tensor<Data> {"
