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


@pytest.fixture(scope="session")
def real_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``tests/journeys/models.py`` describes. Do not change it; :func:`store` gives a copy."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("real-models")
    subprocess.run(
        [sys.executable, "-m", "tests.journeys.models", str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=120,
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
