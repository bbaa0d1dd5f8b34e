"""Versions for web pages: TensorFlow.js graph models of our own writer, tried in a browser before they are kept."""

from __future__ import annotations

from taxiway.browser.build import DEFAULT_BACKENDS, Built, build
from taxiway.browser.convert.weights import QUANTISATIONS
from taxiway.browser.npm import install
from taxiway.browser.tried import RUNTIMES
from taxiway.browser.verify import verify

__all__ = ["DEFAULT_BACKENDS", "QUANTISATIONS", "RUNTIMES", "Built", "build", "install", "verify"]
