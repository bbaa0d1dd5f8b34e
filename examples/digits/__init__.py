"""Real handwritten digits, from training to a swap under load. README.md says how to run it."""
