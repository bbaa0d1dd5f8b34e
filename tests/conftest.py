"""What holds for every test."""

from __future__ import annotations

import os

# Before any import of TensorFlow: its chatter would bury the reason of a failure, and no test is about a GPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
