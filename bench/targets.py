"""What a run reached of ``targets.toml``. Pure but for reading that file."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import OURS, added, reached

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TARGETS = Path(__file__).parent / "targets.toml"
# Written as their guides have it, and what is written for speed beside them.
GUIDED_PEERS = frozenset({"grpc-aio", "fastapi-guide", "bentoml", "litserve", "ray-serve", "mlserver"})
PYTHON_PEERS = GUIDED_PEERS | {"fastapi"}
_BOTH = ("digits-mlp-grpc", "digits-mlp-rest")
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One target: ``figure`` must be at least, or at most, ``limit``."""

    name: str
    what: str
    limit: float
    at_least: bool

    @property
    def words(self) -> str:
        """``≥ 12``."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"

    def holds(self, figure: float) -> bool:
        """Whether it is reached."""
        return figure >= self.limit if self.at_least else figure <= self.limit


def load(path: Path = TARGETS) -> list[Target]:
    """The targets of a file.

    Raises:
        ValueError: one has no limit, or two, or a key that means nothing.
    """
    return [_parse(one) for one in tomllib.loads(path.read_text())["target"]]


def _parse(document: Document) -> Target:
    limits = [key for key in ("at_least", "at_most") if key in document]
    if len(limits) != 1 or set(document) != {"name", "what", *limits}:
        raise ValueError(f"target {document.get('name')}: name, what, and at_least or at_most, got {sorted(document)}")
    if document["name"] not in FIGURES:
        raise ValueError(f"target {document['name']}: nothing computes it")
    return Target(document["name"], document["what"], float(document[limits[0]]), limits[0] == "at_least")


def table(document: Document) -> list[tuple[str, str, str, str]]:
    """A row a target: what, the limit, the figure, and ``reached``, ``missed`` or why there is none."""
    rows = []
    for target in load():
        figure = _figure(target, document)
        if isinstance(figure, str):
            rows.append((target.what, target.words, "", figure))
        else:
            rows.append(
                (target.what, target.words, _number(figure), "reached" if target.holds(figure) else "**missed**")
            )
    return rows


def _figure(target: Target, document: Document) -> float | str:
    try:
        figure = FIGURES[target.name](document)
    except (KeyError, IndexError, StopIteration, ValueError):
        return "not measured"
    return figure if isinstance(figure, str) or math.isfinite(figure) else "not measured"


def _number(figure: float) -> str:
    return f"{figure:,.1f}" if figure >= 10 else f"{figure:.2f}"


def _scenario(document: Document, name: str) -> Document:
    return next(one for one in document["scenarios"] if one["name"] == name)


def _most(scenario: Document, names: frozenset[str]) -> float:
    peers = [one for one in scenario["participants"] if one["name"] in names]
    return max(float(entry["requests_per_second"]) for one in peers for entry in one["loads"])


def _over_peers(name: str, peers: frozenset[str] = PYTHON_PEERS) -> Callable[[Document], float]:
    def figure(document: Document) -> float:
        scenario = _scenario(document, name)
        return _most(scenario, frozenset(OURS)) / _most(scenario, peers)

    return figure


def _worse(figure: Callable[[Document], float], worst: Callable[[list[float]], float]) -> Callable[[Document], float]:
    return lambda document: worst([figure(_scenario(document, name)) for name in _BOTH])


def _mobilenet(document: Document, engine: str | None) -> float:
    scenario = _scenario(document, "mobilenet-grpc")
    floors = scenario["floors"]
    bare = floors["engine"] if engine is None else floors["engines"][engine]
    return _most(scenario, frozenset(OURS)) * float(bare["us_p50"]) / 1e6


def _measure(name: str, of: Callable[[Any], float]) -> Callable[[Document], float | str]:
    def figure(document: Document) -> float | str:
        found = document["measures"][name]
        return str(found["not_measured"]) if "not_measured" in found else float(of(found))

    return figure


FIGURES: Mapping[str, Callable[[Document], float | str]] = {
    "grpc_peers": _over_peers("digits-mlp-grpc"),
    "rest_peers": _over_peers("digits-mlp-rest"),
    "rest_guides": _over_peers("digits-mlp-rest", GUIDED_PEERS),
    "floors": _worse(lambda scenario: reached(scenario, names=OURS), min),
    "added": _worse(added, max),
    "mobilenet_chosen": lambda document: _mobilenet(document, None),
    "mobilenet_tensorflow": lambda document: _mobilenet(document, "tensorflow"),
    "batching": _measure("batching", lambda m: m["with"]["requests_per_second"] / m["without"]["requests_per_second"]),
    "batching_p95": _measure("batching", lambda m: m["with"]["p95_us"] / m["without"]["p95_us"]),
    "swaps": _measure("swaps", lambda m: max(m[protocol]["p99_ratio"] for protocol in ("grpc", "rest"))),
    "memory": _measure("starts", lambda m: max(one["own_mib"] for key, one in m.items() if key != "measured")),
    "start_litert": _measure("starts", lambda m: m["litert"]["seconds"]),
    "start_tensorflow": _measure("starts", lambda m: m["tensorflow"]["seconds"]),
    "decoding": _measure("decoding", lambda m: m["worst"]),
    "cores": _measure("cores", lambda m: m["two"]["requests_per_second"] / m["one"]["requests_per_second"]),
}
