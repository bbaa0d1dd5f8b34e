"""The servers that are measured, as files: ``peers/*.toml``. Taxiway itself is one of them.

A file says how the server is started and what it can be asked; ``environments/NAME.txt`` lists what its own virtual
environment holds. Participants of one form answer the same bytes at the same routes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[1]
OURS = "taxiway"


@dataclass(frozen=True)
class Participant:
    """One file of ``peers/``.

    Attributes:
        name: the file's name without ``.toml``.
        title: how the report calls it.
        protocols: what it speaks.
        form: of its messages: ``tensorflow``, TensorFlow Serving's; or ``v2``, the Open Inference Protocol over REST.
        environment: a file of ``environments/`` by name; empty: the interpreter that runs the bench.
        program: what must be on PATH; empty: nothing. A participant whose program is missing is left out and named.
        command: the command; ``{python}``, ``{peers}``, ``{model}``, ``{store}``, ``{version}``, ``{grpc}``, ``{rest}``
            stand for the interpreter, this folder, the model, its store, its version on disk, and two ports.
        ready_seconds: how long it may take to its first right answer.
    """

    name: str
    title: str
    protocols: tuple[str, ...]
    form: str
    environment: str
    program: str
    command: tuple[str, ...]
    ready_seconds: float

    def argv(self, values: dict[str, str]) -> list[str]:
        """The command with its placeholders replaced."""
        return [part.format(**values) for part in self.command]


def parse(name: str, document: dict[str, Any]) -> Participant:
    """The participant of a TOML document.

    Raises:
        ValueError: a key is missing or unknown.
    """
    wanted = {field.name for field in fields(Participant)} - {"name"}
    if set(document) != wanted:
        raise ValueError(f"peer {name}: keys must be {sorted(wanted)}, got {sorted(document)}")
    return Participant(
        name=name,
        title=str(document["title"]),
        protocols=tuple(document["protocols"]),
        form=str(document["form"]),
        environment=str(document["environment"]),
        program=str(document["program"]),
        command=tuple(document["command"]),
        ready_seconds=float(document["ready_seconds"]),
    )


def load_all(folder: Path = PEERS) -> dict[str, Participant]:
    """Every participant of a folder by its name."""
    return {path.stem: parse(path.stem, tomllib.loads(path.read_text())) for path in sorted(folder.glob("*.toml"))}


def interpreter(participant: Participant, build: Path) -> str | None:
    """The Python that runs a participant, its environment made on the first call; None when its program is missing.

    Raises:
        subprocess.CalledProcessError: pip could not install what it needs.
    """
    if participant.program and shutil.which(participant.program) is None:
        return None
    if not participant.environment:
        return sys.executable
    return str(ensure_environment(participant.environment, build / "venvs") / "bin" / "python")


def ensure_environment(name: str, folder: Path) -> Path:
    """The virtual environment ``name``, made anew when its list of packages changed since it was made.

    A line ``no-deps: PACKAGE`` installs a package without what it asks for (tensorflow-serving-api asks for the large
    ``tensorflow`` although ``tensorflow-cpu`` is there).
    """
    wanted = (PEERS / "environments" / f"{name}.txt").read_text()
    home = folder / name
    stamp = home / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return home
    print(f"bench: setting up build/bench/venvs/{name} …", file=sys.stderr, flush=True)
    lines = [line.strip() for line in wanted.splitlines() if line.strip() and not line.startswith("#")]
    bare = [line.removeprefix("no-deps:").strip() for line in lines if line.startswith("no-deps:")]
    full = [line for line in lines if not line.startswith("no-deps:")]
    venv.create(home, with_pip=True, clear=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *full], check=True, stdout=sys.stderr)
    if bare:
        subprocess.run([*pip, "--no-deps", *bare], check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    return home


def environment_variables() -> dict[str, str]:
    """What every participant gets beside our own environment.

    Our sources, TensorFlow's log held to errors, and for Taxiway no admin port and no state of its own.
    """
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    return {"PYTHONPATH": path, **quiet, "TAXIWAY_ADMIN_PORT": "-1", "TAXIWAY_STATE": ""}
