"""Which methods there are, asked of the server itself by reflection, and the types of their messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


@dataclass(frozen=True)
class Method:
    """One method: its path, the class of its requests, and whether requests and answers are streams."""

    path: str
    request: Any
    takes_stream: bool
    gives_stream: bool


def methods(channel: grpc.Channel) -> list[Method]:
    """Every method of every service that the server lists."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = descriptor_pool.DescriptorPool(database)
    return [method for name in database.get_services() for method in _of(pool.FindServiceByName(name))]


def _of(service: Any) -> Iterator[Method]:
    for method in service.methods:
        request = message_factory.GetMessageClass(method.input_type)
        path = f"/{service.full_name}/{method.name}"
        yield Method(path, request, method.client_streaming, method.server_streaming)
