"""What a job is told when it is asked for data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """The place and the moment for which data is wanted.

    Every rank is asked for the same data, whole: Taxiway gives each replica its rows. ``rank`` and ``world`` are for
    what must differ between processes, such as a cache's file name.

    Attributes:
        params: the run's parameters.
        seed: the run's seed.
        epoch: counted from 0.
        global_batch: rows of one step, over all replicas.
        replicas: how many devices train together, over all processes.
        rank: this process, from 0.
        world: how many processes train.
    """

    params: Mapping[str, Any]
    seed: int
    epoch: int
    global_batch: int
    replicas: int = 1
    rank: int = 0
    world: int = 1

    @property
    def per_replica_batch(self) -> int:
        """Rows of one step on one replica."""
        return self.global_batch // self.replicas

    def order(self, rows: int) -> NDArray[np.int64]:
        """The order of ``rows`` rows in this epoch: a permutation that depends on the seed and the epoch alone.

        The same on every rank, and the same again when a run is resumed.
        """
        import numpy as np

        return np.random.default_rng((self.seed, self.epoch)).permutation(rows)
