"""Workers: processes that may die, and whoever asked lives on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from taxiway.artifacts import Died, Workshop, worker
from taxiway.errors import FailedPrecondition, TaxiwayError, Unavailable
from tests.waiting import PATIENCE_SECONDS

JOBS = '''\
import os, signal, sys, time

def run(**asked):
    """Stands in for the runtime; the tests say what it does."""
    if "raises" in asked:
        from taxiway.errors import NotFound
        raise {"ours": NotFound("It is not there.", hint="Look."), "theirs": KeyError("k" * 20_000)}[asked["raises"]]
    if "kills" in asked:
        os.kill(os.getpid(), signal.Signals[asked["kills"]])
    if "exits" in asked:
        os._exit(asked["exits"])
    if asked.get("hangs"):
        time.sleep(600)
    print("chatter", flush=True)
    return {"pid": os.getpid(), "gpu": os.environ["CUDA_VISIBLE_DEVICES"], **asked}
'''


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A workshop whose runtime is the one above: its Python enters that into the table of jobs first."""
    (tmp_path / "pretended.py").write_text(JOBS)
    (tmp_path / "main.py").write_text(
        "from taxiway.artifacts import worker\nworker.JOBS['run'] = 'pretended:run'\nworker.main()\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/main.py "$3"\n')
    python.chmod(0o755)
    monkeypatch.setattr("taxiway.artifacts.workshop.sys", SimpleNamespace(executable=str(python)))
    with Workshop(job_seconds=PATIENCE_SECONDS) as one:
        yield one


def test_a_worker_is_kept_from_job_to_job_and_its_chatter_is_no_answer(workshop: Workshop) -> None:
    first, second = workshop.ask("run", rows=1), workshop.ask("run", text="ä\n")
    assert first["pid"] == second["pid"] != os.getpid() and second["text"] == "ä\n" and first["gpu"] == "-1"
    assert (workshop.folder / "litert.log").read_text() == "chatter\nchatter\n"


@pytest.mark.parametrize(
    ("how", "said"),
    [({"kills": "SIGSEGV"}, "the runtime crashed (SIGSEGV)"), ({"exits": 3}, "the runtime crashed (exit code 3)")],
)
def test_one_that_dies_is_told_and_the_next_job_has_another(
    workshop: Workshop, how: dict[str, object], said: str
) -> None:
    before = workshop.ask("run")["pid"]
    with pytest.raises(Died) as caught:
        workshop.ask("run", **how)
    assert caught.value.message == said and isinstance(caught.value, FailedPrecondition)
    assert workshop.ask("run")["pid"] != before


def test_one_that_is_gone_before_it_is_asked_is_told_too(workshop: Workshop) -> None:
    pid = workshop.ask("run")["pid"]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Died, match=r"the runtime crashed \(SIGKILL\)"):
        workshop.ask("run")
    assert workshop.ask("run")["pid"] != pid


def test_one_that_hangs_is_ended(workshop: Workshop) -> None:
    pid = workshop.ask("run")["pid"]
    workshop._seconds = 0.2
    with pytest.raises(Unavailable, match=r"the runtime took longer than 0\.2 s"):
        workshop.ask("run", hangs=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_errors_of_ours_keep_kind_and_hint_and_those_of_others_are_cut(workshop: Workshop) -> None:
    with pytest.raises(TaxiwayError) as caught:
        workshop.ask("run", raises="ours")
    assert (caught.value.kind, caught.value.message, caught.value.hint) == ("NOT_FOUND", "It is not there.", "Look.")
    with pytest.raises(TaxiwayError) as caught:
        workshop.ask("run", raises="theirs")
    assert caught.value.kind == "UNKNOWN" and caught.value.message.startswith("KeyError: 'kkk")
    assert len(caught.value.message) == worker._MOST_CHARACTERS


def test_closing_ends_the_processes_and_removes_the_folder(workshop: Workshop) -> None:
    pid = workshop.ask("run")["pid"]
    np.save(workshop.folder / "x.npy", np.zeros(3))
    workshop.close()
    assert not workshop.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    workshop.close()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(worker.JOBS, "run", "no_such_package.litert:run")
    told = worker._done({"job": "run"})
    assert (told["kind"], told["error"]) == ("FAILED_PRECONDITION", "no_such_package is not installed")


def test_every_job_is_there() -> None:
    """The table names modules by text; each must have the function."""
    from importlib.util import find_spec

    for place in worker.JOBS.values():
        module, _, name = place.partition(":")
        spec = find_spec(module)
        assert spec is not None and spec.origin is not None and f"def {name}(" in Path(spec.origin).read_text()
