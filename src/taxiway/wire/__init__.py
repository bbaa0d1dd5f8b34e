"""The messages of ``proto/`` for Python.

They live in a descriptor pool of their own: TensorFlow and its client package register messages of the same names in
protobuf's default pool, and a process may well hold both.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["message"]


@cache
def message(name: str) -> Any:
    """The class of a message by its full name, ``tensorflow.serving.ModelSpec``.

    Raises:
        KeyError: ``proto/`` has no message of this name.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@cache
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    data = files(__package__).joinpath("descriptors.binpb").read_bytes()
    # The set lists a file after everything it imports, which is the order a pool wants.
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.Add(file)
    return pool
