"""The image cannot be built in every place the tests run, so what can be checked without building is checked here."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    stage: str
    word: str
    rest: str


def instructions() -> Iterator[Instruction]:
    """The Dockerfile's instructions with continued lines joined, each with the stage it belongs to."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    stage = ""
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.split(" AS ")[1]
        if word:
            yield Instruction(stage, word, rest.strip())


ALL = tuple(instructions())
TARGETS = ("litert", "tensorflow")


def of(word: str, *stages: str) -> list[str]:
    return [one.rest for one in ALL if one.word == word and (not stages or one.stage in stages)]


def test_every_instruction_is_one_docker_knows() -> None:
    assert {one.word for one in ALL} <= {
        "FROM",
        "RUN",
        "COPY",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "USER",
        "WORKDIR",
    }


def test_both_engines_are_targets_and_the_last_one_is_tensorflow() -> None:
    bases = {rest.split(" AS ")[1]: rest.split(" AS ")[0] for rest in of("FROM")}
    assert list(bases)[-1] == "tensorflow"
    assert all(bases[target] == "base" for target in TARGETS)
    assert "[litert]" in of("RUN", "litert")[0] and "[tensorflow,litert]" in of("RUN", "tensorflow")[0]


def test_images_are_pinned_to_a_version() -> None:
    own = {rest.split(" AS ")[1] for rest in of("FROM")}
    for base in (rest.split(" AS ")[0] for rest in of("FROM")):
        assert base in own or re.fullmatch(r"[a-z]+:\d+\.\d+[a-z0-9.-]*", base), base
    wanted = re.search(r'rust-version = "(\d+)\.(\d+)', (ROOT / "Cargo.toml").read_text())
    image = re.match(r"rust:(\d+)\.(\d+)-", of("FROM")[0])
    assert wanted and image and tuple(map(int, image.groups())) >= tuple(map(int, wanted.groups()))


def test_no_target_runs_as_root() -> None:
    for target in TARGETS:
        assert [one.rest for one in ALL if one.stage == target][-1] == of("USER", target)[-1] == "10001"


def test_it_takes_the_official_images_place() -> None:
    assert of("EXPOSE") == ["8500 8501"]
    environment = of("ENV", "base")[0].split()
    assert {"MODEL_NAME=model", "MODEL_BASE_PATH=/models"} <= set(environment)
    assert json.loads(of("ENTRYPOINT", "base")[0]) == ["/usr/bin/tf_serving_entrypoint.sh"]
    assert of("HEALTHCHECK", "base")
    assert "/usr/bin/tensorflow_model_server" in of("RUN", "base")[0]


def test_layers_leave_nothing_behind() -> None:
    for command in of("RUN"):
        if "apt-get install" in command:
            assert "apt-get update &&" in command and "--no-install-recommends" in command
            assert "rm -rf /var/lib/apt/lists/*" in command
        assert "pip install" not in command or "--no-cache-dir" in command
        assert "sudo" not in command and "curl" not in command


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in [path for rest in of("COPY") for path in rest.split()[:-1]]:
        assert (ROOT / source).exists(), source
        assert any(source == keep or source.startswith(keep + "/") for keep in kept), source


@pytest.mark.parametrize(
    ("environment", "arguments", "expected"),
    [
        ({}, [], ["--model_name=model", "--model_base_path=/models/model"]),
        ({"MODEL_NAME": "digits"}, ["--enable_batching"],
         ["--model_name=digits", "--model_base_path=/models/digits", "--enable_batching"]),
        ({"MODEL_NAME": "my model", "MODEL_BASE_PATH": "gs://b/m"}, ["--x=a b"],
         ["--model_name=my model", "--model_base_path=gs://b/m/my model", "--x=a b"]),
    ],
)  # fmt: skip
def test_the_entry_points_command(
    tmp_path: Path, environment: dict[str, str], arguments: list[str], expected: list[str]
) -> None:
    server = tmp_path / "taxiway-model-server"
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    server.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODEL_")}
    answer = subprocess.run(
        [ROOT / "docker" / "entrypoint.sh", *arguments],
        env=clean | environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert answer.stdout.splitlines() == ["--port=8500", "--rest_api_port=8501", *expected]
