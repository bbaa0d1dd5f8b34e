"""A peer: a SavedModel behind LitServe: one worker, one row at a time as it is asked, its fast queue."""

from __future__ import annotations

import litserve
from signature import Signature, arguments


class Predict(litserve.LitAPI):
    """Decode, run, encode."""

    def __init__(self, version: str, **options) -> None:
        super().__init__(**options)
        self._version = version

    def setup(self, device) -> None:
        """Load the model, in the worker."""
        self._signature = Signature(self._version)

    def decode_request(self, request):
        """The rows."""
        return request["instances"]

    def predict(self, rows):
        """Their answers."""
        return self._signature.predictions(rows)

    def encode_response(self, answers):
        """The document."""
        return {"predictions": answers}


if __name__ == "__main__":
    asked = arguments()
    api = Predict(asked.path, api_path=f"/v1/models/{asked.name}:predict")
    server = litserve.LitServer(api, accelerator="cpu", fast_queue=True)
    server.run(host="127.0.0.1", port=asked.port, log_level="warning", generate_client_file=False)
