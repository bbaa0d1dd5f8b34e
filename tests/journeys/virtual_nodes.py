"""A real Ray cluster of one machine: ``python -m tests.journeys.virtual_nodes CPUS CPUS …``, a node for each number.

Prints the address when every node is there, and ends all of it when its standard input is closed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

STORE_BYTES = 100 * 1024 * 1024
# Ray takes 127.0.0.1 for the machine's own address, and would look there.
LOOPBACK = "127.0.0.2"
# Ray gives a node 30 seconds to start, which a machine with too much to do may miss.
TRIES = 4


def main(cpus: list[int]) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Short, because of the sockets in it.
    with tempfile.TemporaryDirectory(prefix="nodes-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        for count in cpus:
            add(cluster, count)
        cluster.wait_for_nodes()
        print(cluster.address, flush=True)
        sys.stdin.read()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def add(cluster: Any, cpus: int) -> None:
    for left in reversed(range(TRIES)):
        try:
            cluster.add_node(
                wait=False, num_cpus=cpus, node_ip_address=LOOPBACK, object_store_memory=STORE_BYTES,
                include_dashboard=False,
            )  # fmt: skip
        except Exception:  # Ray raises nothing more precise
            if not left:
                raise
        else:
            return


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]])
