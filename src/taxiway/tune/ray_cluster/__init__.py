"""A study's trials on the machines of a Ray cluster; its database stays on the machine of the command."""

from __future__ import annotations

from taxiway.tune.ray_cluster.launch import run_on_ray

__all__ = ["run_on_ray"]
