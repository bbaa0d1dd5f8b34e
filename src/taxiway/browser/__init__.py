"""Versions for web pages: TensorFlow.js graph models of our own writer, tried in a browser before they are kept."""

from __future__ import annotations

from taxiway.browser.npm import install

__all__ = ["install"]
