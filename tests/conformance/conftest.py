"""The models, made once; servers over them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.running import ROOT, Server
from tests.waiting import PATIENCE_SECONDS

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test here, whichever it is, the time that making the models takes on a busy machine."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``tests/conformance/models.py`` describes. Do not change it; ``put`` gives a copy."""
    folder = tmp_path_factory.mktemp("conformance-models")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.conformance.models", str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=300,
    )  # fmt: skip
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with flags, and ends them."""
    servers: list[Server] = []

    def begin(*flags: str, **options: object) -> Server:
        servers.append(Server(tmp_path, *flags, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield begin
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of every model that is a SavedModel, for the tests of one module."""
    folder = tmp_path_factory.mktemp("served")
    names = sorted(path.name for path in models.iterdir() if not path.name.startswith("lite_"))
    text = "".join(
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }}\n' for name in names
    )
    (folder / "models.config").write_text(f"model_config_list {{\n{text}}}\n")
    (folder / "monitoring.config").write_text(
        'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }'
    )
    server = Server(
        folder, f"--model_config_file={folder / 'models.config'}", f"--rest_api_timeout_in_ms={PATIENCE_SECONDS * 1000}",
        f"--monitoring_config_file={folder / 'monitoring.config'}",
    )  # fmt: skip
    yield server
    server.kill()
