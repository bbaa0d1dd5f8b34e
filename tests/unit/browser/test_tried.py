"""Artefacts held to their contract, on runtimes that are pretended."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxiway.artifacts import Rows
from taxiway.browser.run.asking import Answered, Asked, answered_of, batches, encoded
from taxiway.browser.tried import Reference, Runtimes, check_whole, runtimes, runtimes_named, sizes, tried
from taxiway.contract import Contract, Variant
from taxiway.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from taxiway.wire.signatures import Signature, TensorSpec
from tests.unit.browser.pages import ROWS, Runs, scores, vendored

SIGNATURE = Signature({"x": TensorSpec(1, (None, 4))}, {"scores": TensorSpec(1, (None, 3))})
CONTRACT = Contract(max_difference=1e-5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return page(tmp_path / "page", [{"shape": [2, 3], "dtype": "float32"}], {"a.bin": 24})


def page(folder: Path, weights: list[dict[str, Any]], shards: dict[str, int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"weightsManifest": [{"weights": weights, "paths": list(shards)}]}
    (folder / "model.json").write_text(json.dumps(document))
    for name, size in shards.items():
        (folder / name).write_bytes(bytes(size))
    return folder


def judged(folder: Path, *where: Any, signature: Signature = SIGNATURE, contract: Contract = CONTRACT) -> Variant:
    reference = Reference(Rows({"x": ROWS}, None, "rows"), scores(ROWS), 1e-8, contract)
    return tried(folder, signature, reference, Runtimes(where), "float32")


def moved(by: float) -> Any:
    return lambda x: {"scores": scores(x)["scores"] + np.float32(by)}


def test_the_first_runtime_answers_all_rows_and_the_others_a_few(folder: Path) -> None:
    first, second = Runs("wasm"), Runs("cpu")
    one = judged(folder, first, second)
    assert one.kept and one.file == "model.json" and one.latency_us == 10.0
    assert one.agreement is not None and one.agreement.agreeing == 320
    assert [len(runtime.asked[0].inputs["x"]) for runtime in (first, second)] == [320, 32]
    assert one.notes["backends"]["cpu"] == {"difference": 0.0, "us": 10.0, "load_ms": 1.0}


@pytest.mark.parametrize(
    ("runtimes", "reason"),
    [
        ([Runs("wasm", moved(1e-3))], "the largest difference is 0.001"),
        ([Runs("wasm"), Runs("cpu", moved(1e-3))], "cpu: the largest difference from the first backend is 0.001"),
        ([Runs("wasm"), Runs("cpu", moved(math.nan))], "cpu: the largest difference from the first backend is inf"),
        ([Runs("wasm", leaked=3)], "wasm: asking it leaves 3 tensors behind"),
        ([Runs("wasm"), Runs("node", leaked=1)], "node: asking it leaves 1 tensors behind"),
        ([Runs("wasm", lambda x: {"other": x})], "wasm: the output 'scores' is missing"),
        ([Runs("wasm"), Runs("cpu", lambda x: {})], "cpu: the output 'scores' is missing"),
    ],
)
def test_whatever_goes_wrong_refuses_it_with_the_reason(folder: Path, runtimes: list[Any], reason: str) -> None:
    one = judged(folder, *runtimes)
    assert not one.kept and one.file == "" and reason in one.reason, one.reason


def test_after_a_first_runtime_that_does_not_run_nothing_else_is_asked(folder: Path) -> None:
    class Broken(Runs):
        def ask(self, folder: Path, asked: Asked) -> Answered:
            raise FailedPrecondition("wasm says: no such operation")

    second = Runs("cpu")
    one = judged(folder, Broken("wasm"), second)
    assert (one.kept, one.reason) == (False, "wasm: wasm says: no such operation") and not second.asked
    # The first is what counts: one that breaks later is the reason too, and the rest is asked.
    one = judged(folder, Runs("wasm"), Broken("webgl"), second)
    assert one.reason == "webgl: wasm says: no such operation" and len(second.asked) == 1


def test_whole_numbers_come_back_in_the_originals_type(folder: Path) -> None:
    reference = Reference(Rows({"x": ROWS}, None, "rows"), {"n": (ROWS[:, 0] > 0.5).astype(np.int64)}, 0.0, Contract())
    runtime = Runs("wasm", lambda x: {"n": (x[:, 0] > 0.5).astype(np.int32)})
    signature = Signature(SIGNATURE.inputs, {"n": TensorSpec(9, (None,))})
    one = tried(folder, signature, reference, Runtimes([runtime]), "float32")
    assert one.kept and one.agreement is not None and one.agreement.agreeing == 320


def test_a_fixed_batch_is_asked_in_batches_of_it(folder: Path) -> None:
    five = Signature({"x": TensorSpec(1, (5, 4))}, {"scores": TensorSpec(1, (5, 3))})
    first, second = Runs("wasm"), Runs("cpu")
    assert judged(folder, first, second, signature=five).kept
    assert (first.asked[0].batch, first.asked[0].free) == (5, False)
    assert len(second.asked[0].inputs["x"]) == 30


@given(rows=st.integers(1, 70), batch=st.integers(1, 40))
def test_batches_are_all_rows_in_their_order(rows: int, batch: int) -> None:
    x = np.arange(rows * 2).reshape(rows, 2)
    found = [one["x"] for one in batches(Asked({"x": x}, batch))]
    assert np.array_equal(np.concatenate(found), x) and all(len(one) <= batch for one in found)
    assert len(found) == -(-rows // batch)


@given(st.data())
def test_what_is_sent_comes_back_the_same(data: st.DataObject) -> None:
    """As asked.mjs answers what it is given."""
    dtype, name = data.draw(st.sampled_from([("float32", "float32"), ("int32", "int32"), ("bool", "uint8")]))
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(0, 3)))
    array = np.array(data.draw(st.lists(st.integers(0, 1), min_size=6 * 6, max_size=6 * 6)))[: math.prod(shape)]
    array = array.astype(dtype).reshape(shape)
    sent = encoded({"x": array})["x"]
    reply = {"batches": [{"x": {**sent, "dtype": name}}], "us": None, "load_ms": 1, "leaked": 0}
    found = answered_of([reply, reply], "Node").outputs["x"]
    assert found.dtype == array.dtype and np.array_equal(found, np.concatenate([array, array]))


@pytest.mark.parametrize("reply", [{}, {"batches": []}])
def test_a_reply_that_is_none_is_told(reply: Any) -> None:
    with pytest.raises(DataLoss, match="Node answered what cannot be read"):
        answered_of([reply], "Node")


WEIGHTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 4), max_size=3),
        st.sampled_from([("float32", "", 4), ("int32", "", 4), ("bool", "", 1), ("float32", "uint8", 1),
                         ("float32", "uint16", 2), ("float32", "float16", 2)]),
    ),
    max_size=4,
)  # fmt: skip


@given(WEIGHTS, st.integers(-3, 3))
def test_a_page_is_whole_with_exactly_the_bytes_that_its_weights_need(
    tmp_path_factory: pytest.TempPathFactory, weights: list[Any], more: int
) -> None:
    entries = [
        {"shape": shape, "dtype": dtype, **({"quantization": {"dtype": kept}} if kept else {})}
        for shape, (dtype, kept, _) in weights
    ]
    wanted = sum(math.prod(shape) * size for shape, (_, _, size) in weights)
    there = max(0, wanted + more)
    folder = page(tmp_path_factory.mktemp("whole"), entries, {"a.bin": there // 2, "b.bin": there - there // 2})
    if there == wanted:
        check_whole(folder)
    else:
        with pytest.raises(DataLoss, match=f"a.bin, b.bin: {there} bytes, and model.json needs {wanted}"):
            check_whole(folder)


def test_what_is_missing_or_no_model_is_told(folder: Path, tmp_path: Path) -> None:
    check_whole(folder)
    found = sizes(folder)
    assert found["size_bytes"] == 24 + (folder / "model.json").stat().st_size and found["gzip_bytes"] > 0
    (folder / "a.bin").unlink()
    with pytest.raises(DataLoss, match="lacks a.bin"):
        check_whole(folder)
    for text in ("{", "[]", '{"weightsManifest": []}', '{"weightsManifest": [{"weights": [{}], "paths": []}]}'):
        (folder / "model.json").write_text(text)
        with pytest.raises(DataLoss, match="is no model of TensorFlow.js"):
            check_whole(folder)
    with pytest.raises(NotFound, match="There is no model.json in"):
        check_whole(tmp_path)


def test_backends_are_named_once_and_only_those_there_are() -> None:
    assert runtimes_named(["wasm", "node", "wasm"]) == ["wasm", "node"]
    with pytest.raises(InvalidArgument, match="'cuda' is no backend"):
        runtimes_named(["wasm", "cuda"])
    with pytest.raises(InvalidArgument, match="No backend is named"):
        runtimes_named([])


def test_where_nothing_can_run_one_sentence_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with runtimes(["wasm", "cpu", "node"], vendored(tmp_path / "packages")) as where:
        assert not where.there
        assert where.unverified.startswith("Not verified on wasm, cpu: There is no Chromium.")
        assert " Not verified on node: There is no Node. Install" in where.unverified
