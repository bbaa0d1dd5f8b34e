"""A scenario: one request to one model over one protocol, and the servers that are asked it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCENARIOS = Path(__file__).parent / "scenarios"
PROTOCOLS = ("grpc", "rest")


@dataclass(frozen=True)
class Scenario:
    """One file of ``scenarios/``.

    Attributes:
        name: the file's name without ``.toml``.
        title: one line for the report.
        model: a model of ``bench.models``.
        protocol: ``grpc`` or ``rest``.
        rows: rows in one request.
        connections: closed-loop concurrencies, each measured on its own.
        peers: names of files in ``peers/``, measured beside Taxiway.
        window_seconds: length of one window.
        smoke: whether ``--smoke`` runs it, which must be a matter of seconds.
    """

    name: str
    title: str
    model: str
    protocol: str
    rows: int
    connections: tuple[int, ...]
    peers: tuple[str, ...]
    window_seconds: float
    smoke: bool


def parse(name: str, document: dict[str, Any]) -> Scenario:
    """The scenario of a TOML document.

    Raises:
        ValueError: a key is missing, unknown, or its value makes no sense.
    """
    wanted = {field.name for field in fields(Scenario)} - {"name"}
    if set(document) != wanted:
        raise ValueError(f"scenario {name}: keys must be {sorted(wanted)}, got {sorted(document)}")
    if document["protocol"] not in PROTOCOLS:
        raise ValueError(f"scenario {name}: protocol must be one of {PROTOCOLS}, got {document['protocol']!r}")
    connections = tuple(int(count) for count in document["connections"])
    if not connections or min(connections) < 1:
        raise ValueError(f"scenario {name}: connections must be positive numbers")
    return Scenario(
        name=name,
        title=str(document["title"]),
        model=str(document["model"]),
        protocol=str(document["protocol"]),
        rows=int(document["rows"]),
        connections=connections,
        peers=tuple(document["peers"]),
        window_seconds=float(document["window_seconds"]),
        smoke=bool(document["smoke"]),
    )


def load_all(folder: Path = SCENARIOS) -> dict[str, Scenario]:
    """Every scenario of a folder by its name, in the order of the names."""
    return {path.stem: parse(path.stem, tomllib.loads(path.read_text())) for path in sorted(folder.glob("*.toml"))}
