"""The rows of a job that its version's profile is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from taxiway.profile import measure, row_limit
from taxiway.train.context import Context
from taxiway.train.data import Source
from taxiway.train.job import Job

tf = pytest.importorskip("tensorflow")

pytestmark = pytest.mark.tensorflow

X = np.arange(60_000, dtype=np.float32).reshape(30_000, 2)
Y = np.arange(30_000) % 3


def source(training: Any, validation: Any = None) -> Source:
    job = Job("m:job", lambda params: None, lambda context: (training, validation))
    return Source(job, Context(params={}, seed=0, epoch=0, global_batch=8, replicas=1, rank=0, world=1))


def test_arrays_are_thinned_and_keep_their_answers() -> None:
    inputs, answers, validation = source((X, Y), ({"a": X[:5]}, Y[:5])).profile_rows()
    assert len(inputs) == len(answers) == 20_000 and validation is not None
    assert (answers == inputs[:, 0] // 2 % 3).all() and inputs[-1, 0] > 50_000
    assert (validation[0]["a"] == X[:5]).all() and (validation[1] == Y[:5]).all()
    assert measure({"x": inputs}, answers).rows == 20_000


def test_large_rows_are_fewer() -> None:
    assert (row_limit(8), row_limit(4 << 20), row_limit(1 << 40)) == (20_000, 64, 1)


def test_of_a_dataset_the_first_batches_are_taken() -> None:
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(1000)
    inputs, answers, validation = source(batches).profile_rows()
    assert (inputs == X[:20_000]).all() and (answers == Y[:20_000]).all() and validation is None
