"""Loading beside requests: at a low priority, which no thread that serves takes over."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.conftest import put
from tests.journeys.test_published_files import path_of

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.litert,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux alone"),
]

# How many versions are loaded at most to see how it is done.
MOST_VERSIONS = 20

# Serves what is there, puts versions there one by one, and prints the niceness of threads: of all before, of those
# that load further versions of a model while they do, until one of them was seen, and of all when everything is served.
SERVE = """
import json, sys, threading, time
from pathlib import Path
import taxiway

def threads():
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            name, stat = (task / "comm").read_text().strip(), (task / "stat").read_text()
        except OSError:
            continue  # it has ended
        found[task.name] = name, int(stat.rpartition(")")[2].split()[16])
    return found

store, waiting = Path(sys.argv[1]), Path(sys.argv[2])
loading, ended = {}, threading.Event()

def watch():
    global loading
    seen = set()
    while not ended.is_set():
        # By thread, the last that was seen, but not the first: it has its name a moment before its priority.
        now = {task: nice for task, (name, nice) in threads().items() if name == "taxiway-aside"}
        loading |= {task: nice for task, nice in now.items() if task in seen}
        seen |= now.keys()
        time.sleep(0.001)

def put(name, model, version):
    (waiting / name).rename(store / model / str(version))
    assert server.wait_default(model, version, 60)

options = {"batching": {"max_batch_size": 4}, "intra_op_threads": 2}
with taxiway.serve(store, quiet_seconds=0.0, poll_seconds=0.05, **options) as server:
    server.wait_ready(60)
    before = {nice for _, nice in threads().values()}
    (store / "half").mkdir()
    put("1", "half", 1)
    watching = threading.Thread(target=watch)
    watching.start()
    # On a busy machine, who watches may not come to look while a version loads.
    for version in range(2, 2 + int(sys.argv[3])):
        if not loading:
            put(str(version), "half", version)
    ended.set()
    watching.join()
    # LiteRT begins a thread more for each model when two are asked for.
    put("eyes", "eyes", 2)
    # A thread that has ended is listed for a moment more.
    for _ in range(1000):
        if "taxiway-aside" in {name for name, _ in threads().values()}:
            time.sleep(0.01)
    after = sorted({(name, nice) for name, nice in threads().values()})
print(json.dumps({"before": sorted(before), "after": after, "loading": sorted(set(loading.values()))}))
"""


def test_threads_that_serve_keep_their_priority(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / "eyes" / "1").mkdir(parents=True)
    (tmp_path / "models" / "eyes" / "1" / "model.tflite").write_bytes(path_of("iris").read_bytes())
    waiting = put(exported, tmp_path / "waiting", 1, 2)
    for version in range(3, 2 + MOST_VERSIONS):
        shutil.copytree(exported / "3", waiting / str(version))
    shutil.copytree(tmp_path / "models" / "eyes" / "1", waiting / "eyes")
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "models"), str(waiting), str(MOST_VERSIONS)],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    [usual] = told["before"]
    # TensorFlow's pools begin with the first version of "half", and those of batches too.
    assert {nice for _, nice in told["after"]} == {usual}, told["after"]
    assert told["loading"] == [max(10, usual)]
