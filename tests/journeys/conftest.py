"""What the journeys share: small real models, made once, and a server over them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

ROOT = Path(__file__).parents[2]


EXPORT = """
import sys, tensorflow as tf
for version in (1, 2, 3):
    module = tf.Module()
    module.offset = tf.Variable(float(version))
    spec = tf.TensorSpec([None], tf.float32, "x")
    half = tf.function(lambda x: {"y": x / 2 + module.offset}, input_signature=[spec])
    tf.saved_model.save(module, f"{sys.argv[1]}/{version}", signatures={"serving_default": half})
"""


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with versions 1, 2 and 3 of a model; the answer to 0 is the version."""
    root = tmp_path_factory.mktemp("exported")
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run([sys.executable, "-c", EXPORT, str(root)], check=True, timeout=240, env=environment)
    return root


def put(exported: Path, base: Path, *versions: int) -> Path:
    """Put versions under ``base`` as careful people do: copied beside it, then renamed."""
    base.mkdir(parents=True, exist_ok=True)
    for version in versions:
        staging = base.parent / f".{base.name}-{version}"
        shutil.copytree(exported / str(version), staging)
        staging.rename(base / str(version))
    return base


@pytest.fixture(scope="session")
def real_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``tests/journeys/models.py`` describes. Do not change it; :func:`store` gives a copy."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("real-models")
    subprocess.run(
        [sys.executable, "-m", "tests.journeys.models", str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=240,
    )  # fmt: skip
    return folder


@pytest.fixture
def store(real_models: Path, tmp_path: Path) -> Path:
    """A store of one's own: ``half_plus_two`` with version 1, ``digits`` with version 1."""
    models = tmp_path / "models"
    for name in ("half_plus_two", "digits"):
        shutil.copytree(real_models / name / "1", models / name / "1")
    return models


@pytest.fixture(scope="session")
def digits_cases(real_models: Path) -> dict[str, np.ndarray[Any, Any]]:
    """``image``: rows that ``digits`` has not seen; ``probabilities``: TensorFlow's own answers to them."""
    with np.load(real_models / "digits.npz") as cases:
        return dict(cases)


@pytest.fixture
def server(store: Path) -> Iterator[ServeHandle]:
    """A server in this process over :func:`store`, on ports of its own, every model loaded."""
    pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
    import taxiway

    with taxiway.serve(store, poll_seconds=0.05, quiet_seconds=0.2) as handle:
        yield handle
