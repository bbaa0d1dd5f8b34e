from __future__ import annotations

import numpy as np
import pytest

from taxiway.browser.convert.weights import QUANTISATIONS, SHARD_BYTES, quantised, restored, shard, stored
from taxiway.errors import FailedPrecondition, Unimplemented


def test_weights_follow_each_other_in_files_of_four_megabytes() -> None:
    large = np.arange(SHARD_BYTES // 4 + 10, dtype=np.float32)
    manifest, shards = shard({"large": large, "flag": np.array([True]), "whole": np.array(7, np.int32)})
    assert manifest[0]["paths"] == list(shards) == ["group1-shard1of2.bin", "group1-shard2of2.bin"]
    assert [len(one) for one in shards.values()] == [SHARD_BYTES, 45]
    assert b"".join(shards.values()) == large.tobytes() + b"\1" + (7).to_bytes(4, "little")
    assert manifest[0]["weights"] == [
        {"name": "large", "shape": [len(large)], "dtype": "float32"},
        {"name": "flag", "shape": [1], "dtype": "bool"},
        {"name": "whole", "shape": [], "dtype": "int32"},
    ]


def test_a_graph_without_weights_has_one_empty_file() -> None:
    assert shard({})[1] == {"group1-shard1of1.bin": b""}


@pytest.mark.parametrize(("quantisation", "bound"), [("float16", 1e-3), ("uint16", 4e-5), ("uint8", 1e-2)])
def test_quantised_weights_come_back_within_a_step(quantisation: str, bound: float) -> None:
    assert quantisation in QUANTISATIONS
    array = np.linspace(-0.7, 1.4, 301, dtype=np.float32)
    array[17] = 0
    numbers, row = quantised("w", array, quantisation)
    back = restored(numbers, row)
    assert np.abs(back - array).max() < bound
    assert back[17] == 0  # what was pruned stays pruned


@pytest.mark.parametrize("value", [0.0, 3.5, -3.5])
def test_equal_weights_can_be_quantised(value: float) -> None:
    array = np.full(100, value, np.float32)
    assert np.allclose(restored(*quantised("w", array, "uint8")), array, atol=1e-6)


def test_small_tensors_and_whole_numbers_stay_exact() -> None:
    rows = {"bias": np.ones(10, np.float32), "ids": np.arange(100, dtype=np.int32)}
    manifest, _ = shard(rows, "uint8")
    assert [one.get("quantization") for one in manifest[0]["weights"]] == [None, None]


def test_weights_that_a_type_cannot_hold_are_refused() -> None:
    with pytest.raises(FailedPrecondition, match="too large for float16"):
        quantised("w", np.full(100, 1e6, np.float32), "float16")
    with pytest.raises(FailedPrecondition, match="not finite"):
        quantised("w", np.full(100, np.nan, np.float32), "uint8")


def test_constants_are_kept_in_the_types_that_the_browser_has() -> None:
    assert stored("c", np.array([1, -1], np.int64)).dtype == np.int32
    assert stored("c", np.array([0.5], np.float64)).dtype == np.float32
    assert stored("c", np.array([True])).dtype == np.bool_
    assert stored("c", np.array([2**63 - 1], np.int64)) == 2**31 - 1  # "to the end" of a slice


def test_a_number_that_does_not_fit_is_refused_and_a_text_is() -> None:
    with pytest.raises(Unimplemented, match="seed holds 5000000000"):
        stored("seed", np.array([5_000_000_000], np.int64))
    with pytest.raises(Unimplemented, match="words holds object"):
        stored("words", np.array([b"a"], object))
