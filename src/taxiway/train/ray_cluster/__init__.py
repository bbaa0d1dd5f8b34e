"""A run's ranks on the machines of a Ray cluster: Ray Train places and starts them, they run Taxiway's own loop."""

from __future__ import annotations

from taxiway.train.ray_cluster.connect import Connection, connected
from taxiway.train.ray_cluster.launch import launch_on_ray

__all__ = ["Connection", "connected", "launch_on_ray"]
