"""One server, real models, both protocols: what TensorFlow says in Python is what clients get."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import taxiway

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

pytestmark = pytest.mark.tensorflow
PROTOCOLS = ("url", "grpc_url")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_real_digits_are_answered_as_tensorflow_answers_them(
    server: ServeHandle, digits_cases: dict[str, np.ndarray[Any, Any]], protocol: str
) -> None:
    answer = taxiway.Client(getattr(server, protocol)).predict("digits", {"image": digits_cases["image"]})
    np.testing.assert_allclose(answer["probabilities"], digits_cases["probabilities"], rtol=1e-5, atol=1e-6)
    assert answer.version == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unknown_model_is_not_found_over_either_protocol(server: ServeHandle, protocol: str) -> None:
    with pytest.raises(taxiway.errors.NotFound):
        taxiway.Client(getattr(server, protocol)).predict("nothing", {"x": [1.0]})


def test_a_version_that_appears_takes_over(server: ServeHandle, store: Path, real_models: Path) -> None:
    client = taxiway.Client(server.url)
    assert client.predict("half_plus_two", {"x": [2.0]})["y"] == pytest.approx([3.0])
    staged = store.parent / "staged"
    shutil.copytree(real_models / "half_plus_two" / "2", staged)
    staged.rename(store / "half_plus_two" / "2")
    assert server.wait_default("half_plus_two", 2, timeout_seconds=60)
    answer = client.predict("half_plus_two", {"x": [2.0]})
    assert (answer.version, answer["y"].tolist()) == (2, [4.0])
