"""Measuring Taxiway beside its peers and beside what the engine and the transport alone allow.

``python -m bench`` reads ``scenarios/*.toml``, starts each server of a scenario in its own environment on one core,
loads it from another, checks its answers before and after, and writes ``results/``. README.md tells the method.
"""
