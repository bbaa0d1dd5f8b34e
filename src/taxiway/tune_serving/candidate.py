"""Settings that are tried together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from taxiway.settings import AUTO_BATCHED, BATCHING_WORDS, NOT_BATCHED, Batching

__all__ = ["Candidate", "engines_and_batching", "threads"]

_WORDS = {batching: word for word, batching in BATCHING_WORDS.items()}
# Rows, and microseconds to wait for them.
_BATCHES = ((8, 0), (32, 0), (32, 1_000), (128, 2_000))


@dataclass(frozen=True)
class Candidate:
    """One way to serve.

    Attributes:
        engine: ``tensorflow`` or ``litert``.
        batching: how requests are gathered; off by default.
        io_threads, compute_threads, intra_op_threads: the server's settings of these names; 0 is their default.
    """

    engine: str
    batching: Batching = NOT_BATCHED
    io_threads: int = 0
    compute_threads: int = 0
    intra_op_threads: int = 0

    @property
    def complexity(self) -> int:
        """How many settings it needs."""
        return len(self.server()) + len(self.model())

    def server(self) -> dict[str, Any]:
        """What ``[server]`` must say, defaults left out."""
        return {name: value for name, value in self.all_server().items() if value}

    def model(self) -> dict[str, Any]:
        """What ``[models.NAME]`` must say, defaults left out; ``engine`` only where it is not the model's own."""
        return {name: value for name, value in self.all_model().items() if value not in ("off", "tensorflow")}

    def all_server(self) -> dict[str, Any]:
        """What is tried of ``[server]``, defaults included."""
        return {name: getattr(self, name) for name in ("io_threads", "compute_threads", "intra_op_threads")}

    def all_model(self) -> dict[str, Any]:
        """What is tried of ``[models.NAME]``, defaults included."""
        if word := _WORDS.get(self.batching):
            return {"engine": self.engine, "batching": word}
        changed = {name: value for name, value in asdict(self.batching).items() if value != getattr(NOT_BATCHED, name)}
        return {"engine": self.engine, "batching": changed}

    @property
    def batching_text(self) -> str:
        """For people: ``off``, ``auto``, ``32 rows``, ``32 rows, 1 ms``."""
        if word := _WORDS.get(self.batching):
            return word
        waited = self.batching.batch_timeout_micros
        return f"{self.batching.max_batch_size} rows" + (f", {waited / 1000:g} ms" if waited else "")

    @property
    def threads_text(self) -> str:
        """For people: ``default``, or what is not: ``io 1, compute 1``."""
        said = [f"{name.removesuffix('_threads').replace('_', '-')} {value}" for name, value in self.server().items()]
        return ", ".join(said) or "default"

    @property
    def title(self) -> str:
        """All of it in a few words."""
        return f"{self.engine}, batching {self.batching_text}, threads {self.threads_text}"

    def as_json(self) -> dict[str, Any]:
        """For programs: the settings by section."""
        return {"server": self.all_server(), "model": self.all_model()}


def engines_and_batching(engines: Sequence[str], takes_rows: bool) -> list[Candidate]:
    """Every engine with every batching, the plain ones first; a model that takes no rows cannot be batched."""
    plain = [Candidate(engine) for engine in engines]
    if not takes_rows:
        return plain
    sized = [Batching(max_batch_size=rows, batch_timeout_micros=micros) for rows, micros in _BATCHES]
    kinds = [AUTO_BATCHED, *sized]
    return [*plain, *(replace(one, batching=kind) for one in plain for kind in kinds)]


def threads(best: Candidate, cores: int) -> list[Candidate]:
    """Other threads for the best so far: fewer that run models, one inside an operation, one for connections."""
    return list(_threads(best, cores))


def _threads(best: Candidate, cores: int) -> Iterator[Candidate]:
    yield replace(best, intra_op_threads=1)
    if cores > 1:
        yield replace(best, compute_threads=1)
        yield replace(best, io_threads=1)
        yield replace(best, compute_threads=1, io_threads=1)
    yield replace(best, compute_threads=2 * cores, intra_op_threads=1)
