"""Run one page's blocks, in order, in the current folder: python -m tests.docs.run_page PAGE

The pages speak of things a reader has: a trained ``model``, its data, a SavedModel, rows to ask about. They are laid out
here first. Python blocks share one set of names, console blocks one folder. A command that starts a server goes on
beside the others until the next one takes its place; its ports are free ones, and the commands are told of them.

Exits 1 at the first block that fails, and says which line.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.docs.blocks import Block, blocks, commands
from tests.waiting import free_port

READY_SECONDS = 120
COMMAND_SECONDS = 240
SERVES = re.compile(r"^(taxiway serve|taxiway-model-server)\b")


class Failed(Exception):
    """A block did not do what the page says."""


def lay_out() -> dict[str, Any]:
    """A small model on real digits, its data, and on disk: saved_model/, a store with two versions, rows."""
    import keras
    import numpy as np
    import tensorflow as tf
    from sklearn.datasets import load_digits

    import taxiway

    keras.utils.set_random_seed(7)
    data = load_digits()
    images, labels = data.images.astype("float32"), data.target
    x_train, x_test, y_train, y_test = images[:1500], images[1500:], labels[:1500], labels[1500:]
    model = keras.Sequential(
        [
            keras.Input((8, 8), name="image"),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=2, verbose=0)
    taxiway.export(model, "saved_model", warm_up=x_train[:4])
    for _ in range(2):
        taxiway.publish("saved_model", "digits", store="models/")
    np.save("rows.npy", x_test[:3])
    Path("rows.json").write_text(json.dumps({"instances": x_test[:3].tolist()}))
    names = {"keras": keras, "tf": tf, "np": np, "model": model, "x_train": x_train, "y_train": y_train}
    return names | {"x_test": x_test, "y_test": y_test}


class Console:
    """Where console blocks run: this folder, a shell a command, at most one server beside it."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._rest, self._grpc = rest_port(), free_port()
        self._environment = {
            **os.environ,
            "TAXIWAY_SERVER": f"http://127.0.0.1:{self._rest}",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, command: str) -> None:
        """Run it to its end, or until it answers when it serves.

        Raises:
            Failed: it exited with something else than 0, or never answered.
        """
        if SERVES.match(command):
            self.serve(command)
            return
        command = re.sub(r"\b(localhost|127\.0\.0\.1):8501\b", rf"\1:{self._rest}", command)
        command = re.sub(r"\b(localhost|127\.0\.0\.1):8500\b", rf"\1:{self._grpc}", command)
        command = re.sub(r"^curl ", "curl --fail-with-body --silent --show-error ", command)
        shell = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(shell, env=self._environment, timeout=COMMAND_SECONDS, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{command}\nexited {done.returncode}\n{done.stdout}{done.stderr}")

    def serve(self, command: str) -> None:
        """Put a server in the place of the one before."""
        self.close()
        ours = command.startswith("taxiway serve")
        ports = ("--rest-port {} --grpc-port {}" if ours else "--rest_api_port={} --port={}").format(
            self._rest, self._grpc
        )
        command = re.sub(r"--(rest_api_port|port|rest-port|grpc-port)[= ]\d+", "", command)
        log = Path("server.log")
        with log.open("wb") as out:
            self._server = subprocess.Popen(
                f"exec {command} {ports}", shell=True, env=self._environment, stdout=out, stderr=out
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{command}\nnever answered\n{log.read_text()}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._rest}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def close(self) -> None:
        """End the server, if there is one."""
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            self._server.wait(READY_SECONDS)
            self._server = None


def rest_port() -> int:
    """A free port for REST, whose next one, the admin API's, is free too."""
    while True:
        rest = free_port()
        if free_port() == rest + 1:
            return rest


def run_block(block: Block, names: dict[str, Any], console: Console) -> None:
    """Run one block.

    Raises:
        Failed: the block failed; the message says where.
    """
    if block.language == "python":
        # Blank lines in front give the traceback the page's own line numbers.
        code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
        try:
            exec(code, names)
        except Exception as error:
            raise Failed(traceback.format_exc()) from error
        return
    for command in commands(block.text):
        console.run(command)


def main(page: Path) -> int:
    names = lay_out()
    console = Console()
    try:
        for block in blocks(page):
            if block.reason is None:
                run_block(block, names, console)
    except Failed as failed:
        print(f"{block.page}:{block.line}: {failed}", file=sys.stderr)
        return 1
    finally:
        console.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
