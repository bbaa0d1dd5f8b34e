"""What a process that is killed at a step of a store begins with; its test goes on with what it does.

``left`` is how many steps a child may make. A step is a call of the store, before or after it is made.
"""

from __future__ import annotations

STEPS = """
import os, signal, sys
from pathlib import Path
from taxiway.stores import bucket, directory

left = 0

def step(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(function):
    def call(*arguments, **options):
        step()
        result = function(*arguments, **options)
        step()
        return result
    return call

for name in ("list", "get", "put", "upload", "delete"):
    setattr(bucket.ObstoreBucket, name, counted(getattr(bucket.ObstoreBucket, name)))
for name in ("copy_file", "write_file", "sync_tree", "rename_new", "sync_directory"):
    setattr(directory, name, counted(getattr(directory, name)))
"""
