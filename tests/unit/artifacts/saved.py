"""SavedModels as far as building artefacts reads them, and a workshop that answers for TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from taxiway.artifacts import Workshop, load, save
from taxiway.wire import messages

P = TypeVar("P", bound="Pretending")
Shapes = Mapping[str, tuple[int | None, ...]]
FLOAT, STRING = 1, 7


def saved_model(
    folder: Path, inputs: Shapes, outputs: Shapes, *, dtypes: Mapping[str, int] | None = None,
    signatures: tuple[str, ...] = ("serving_default",),
) -> Path:  # fmt: skip
    """A directory with the signatures, and nothing that could be run."""
    model = messages.SavedModel(schema_version=1)
    graph = model.meta_graphs.add()
    graph.meta_info.tags.append("serve")
    for one in signatures:
        signature = graph.signature_def[one]
        for specs, infos in ((inputs, signature.inputs), (outputs, signature.outputs)):
            for name, shape in specs.items():
                infos[name].dtype = (dtypes or {}).get(name, FLOAT)
                infos[name].name = name
                for size in shape:
                    infos[name].tensor_shape.dim.add(size=-1 if size is None else size)
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


class Pretending(Workshop):
    """A workshop without processes: the original is a function of arrays, and a written model is four bytes of weights.

    Attributes:
        asked: the jobs, in their order.
    """

    def __init__(self, original: Callable[..., dict[str, Any]]) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._original = original

    def __enter__(self: P) -> P:
        return self

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(job)
        if job == "original":
            answers = self._original(**load(arguments["rows"]))
            save(arguments["out"], {name: np.asarray(one) for name, one in answers.items()})
            return {"noise_floor": 1e-7, "tensorflow": "2.21.0"}
        assert job == "graph_model", job
        document = {"weightsManifest": [{"paths": ["a.bin"], "weights": [{"shape": [1], "dtype": "float32"}]}]}
        (Path(arguments["out"]) / "model.json").write_text(json.dumps(document))
        (Path(arguments["out"]) / "a.bin").write_bytes(b"1234")
        return {"files": ["model.json", "a.bin"], "tensorflow.js": "4.22.0"}
