"""What building and trying a page needs, without TensorFlow, TensorFlow.js or a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts import Source
from taxiway.browser.app import VENDOR
from taxiway.browser.npm import Packages
from taxiway.browser.run.asking import Answered, Asked
from taxiway.browser.tried import Runtimes
from taxiway.contract.agreement import Array
from taxiway.errors import TaxiwayError

ROWS = np.random.default_rng(1).random((320, 4)).astype(np.float32)
Outputs = Mapping[str, Array]


def scores(x: Any) -> dict[str, Any]:
    """The model of these tests."""
    return {"scores": x[:, :3] / x[:, :3].sum(axis=1, keepdims=True)}


class Runs:
    """A runtime that answers as a function does.

    Args:
        name: ``wasm``.
        answer: to the rows.
        leaked: tensors that it leaves behind.

    Attributes:
        asked: what it was asked.
    """

    def __init__(self, name: str, answer: Callable[..., Outputs] = scores, leaked: int = 0) -> None:
        self.name, self._answer, self._leaked = name, answer, leaked
        self.asked: list[Asked] = []

    def ask(self, folder: Path, asked: Asked) -> Answered:
        assert (folder / "model.json").is_file()
        self.asked.append(asked)
        return Answered(self._answer(**asked.inputs), load_ms=1.0, us=10.0, leaked=self._leaked)


def vendored(root: Path) -> Packages:
    """TensorFlow.js's files by name."""
    packages = Packages(root)
    for package, name in VENDOR:
        path = packages.path(package, f"dist/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return packages


def source_of(directory: Path) -> Source:
    return Source(directory, "m", None, None, str(directory), directory.parent / "artifacts")


def opened(*there: Any, **missing: TaxiwayError) -> Callable[..., Any]:
    """What stands in for ``runtimes``."""

    @contextmanager
    def give(names: Any, packages: Any) -> Iterator[Runtimes]:
        yield Runtimes(there, missing)

    return give
