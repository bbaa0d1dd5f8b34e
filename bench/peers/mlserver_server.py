"""A peer: a SavedModel behind MLServer, a runtime of its own in one process, over the Open Inference Protocol."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Runtime(MLModel):
    """One model."""

    async def load(self) -> bool:
        """Load it."""
        from signature import Signature

        self._signature = Signature(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The rows' answers."""
        arrays = self._signature.outputs(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [NumpyCodec.encode_output(name, value) for name, value in arrays.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)


if __name__ == "__main__":
    from signature import arguments

    asked = arguments()
    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
    server = {"http_port": asked.port, "grpc_port": 0, "metrics_port": 0, "parallel_workers": 0, "host": "127.0.0.1",
              "metrics_endpoint": None, "debug": False}  # fmt: skip
    model = {"name": asked.name, "implementation": "mlserver_server.Runtime", "parameters": {"uri": asked.path}}
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    program = Path(sys.executable).parent / "mlserver"
    os.execve(program, [str(program), "start", str(folder)], {**os.environ, "PYTHONPATH": path})
