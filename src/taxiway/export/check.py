"""What an export must hold to: answering changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from taxiway.errors import FailedPrecondition
from taxiway.export.endpoints import Endpoint

__all__ = ["check_frozen", "places_of_writing"]

_WRITERS = ("Assign", "ResourceApply", "ResourceScatter")


def check_frozen(endpoint: Endpoint) -> None:
    """Refuse a function that writes variables.

    Raises:
        FailedPrecondition: it does; the message says where.
    """
    places = places_of_writing(endpoint.concrete)
    if places:
        raise FailedPrecondition(
            f"Answering {endpoint.name!r} would change variables, in {', '.join(places[:5])}: "
            "the model is in training mode, or it learns while it is asked.",
            hint="Call the model with training=False in the function that is exported.",
        )


def places_of_writing(concrete: Any) -> list[str]:
    """The layers in which a traced function writes variables; empty when it writes none."""
    return sorted({_place(name) for name in _writers(concrete)})


def _writers(concrete: Any) -> Iterator[str]:
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return (node.name for node in nodes if node.op.startswith(_WRITERS))


def _place(name: str) -> str:
    """The layer of a node: its scope without the steps that the assignment itself is made of."""
    parts = name.split("/")
    kept = [part for part in parts[:-1] if not part.startswith("Assign")]
    return "/".join(kept) or name
