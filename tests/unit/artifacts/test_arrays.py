"""Arrays on their way to another process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxiway.artifacts import load, save

# "file" and "allow_pickle" are numpy.savez's own parameters.
NAMES = st.sampled_from(["x", "file", "allow_pickle", "=x", "a/b", "serving_default_x:0", "Größe"])
ARRAYS = st.builds(
    lambda dtype, shape: np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype),
    st.sampled_from(["float32", "float64", "int64", "uint8", "bool", "U5"]),
    st.lists(st.integers(0, 3), max_size=3),
)


@given(st.dictionaries(NAMES, ARRAYS, max_size=4))
def test_arrays_come_back_under_their_names(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray]
) -> None:
    path: Path = tmp_path_factory.mktemp("arrays") / "rows.npz"
    save(path, arrays)
    found = load(path)
    assert list(found) == list(arrays)
    for name, one in arrays.items():
        assert found[name].dtype == one.dtype and np.array_equal(found[name], one)
