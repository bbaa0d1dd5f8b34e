"""A peer: a SavedModel behind Python's asynchronous gRPC server, as a careful team writes it by itself.

The signature is called directly on the event loop: on one core a hop to a thread would only cost more.
"""

from __future__ import annotations

import argparse
import asyncio
import os

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict with one signature of one model."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._model = tf.saved_model.load(path)
        self._run = self._model.signatures["serving_default"]
        self._version = int(os.path.basename(path))

    async def Predict(self, request, context):
        """One PredictRequest: decode, run, encode."""
        if request.model_spec.name != self._name:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.model_spec.name}")
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for name, value in self._run(**inputs).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        response.model_spec.name = self._name
        response.model_spec.version.value = self._version
        response.model_spec.signature_name = "serving_default"
        return response


async def serve(name: str, path: str, port: int) -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(name, path), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("path")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    # One core is what it is given; more threads would only take turns on it.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    asyncio.run(serve(arguments.name, arguments.path, arguments.port))
