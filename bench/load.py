"""Load by the generators of Debian: in a closed loop ``h2load`` for gRPC and ``wrk`` for REST, at a rate ``h2load``.

h2load sees HTTP statuses, not gRPC's, which travel in the trailers. A refused call has no message, so its answer has no
data: the bytes of data h2load counted must be exactly those of as many right answers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.windows import Window

LOAD_CORE = "1"
_PREFIX_BYTES = 5
WRK_SCRIPT = Path(__file__).parent / "wrk.lua"


class LoadFailed(Exception):
    """A window that does not count: a request failed, an answer had the wrong length, or the generator broke."""


@dataclass(frozen=True)
class Target:
    """What is asked.

    Attributes:
        url: the address of the method or route.
        protocol: ``grpc`` or ``rest``.
        body: a file with the bytes to send; None sends none (REST only).
        answer_bytes: for gRPC, the length of the response message; for REST, of the body, when load is at a rate.
        method: of REST, in a closed loop.
    """

    url: str
    protocol: str
    body: Path | None
    answer_bytes: int = 0
    method: str = "POST"


def framed(message: bytes) -> bytes:
    """A gRPC message with its five bytes of length prefix, uncompressed."""
    return struct.pack(">BI", 0, len(message)) + message


def missing_tools() -> list[str]:
    """The programs that load generation needs and that are not on PATH."""
    return [tool for tool in ("wrk", "h2load", "taskset") if shutil.which(tool) is None]


def pinned(argv: list[str], core: str) -> list[str]:
    """The command bound to a core; as it is on a machine with one core."""
    return ["taskset", "-c", core, *argv] if (os.cpu_count() or 1) > 1 else argv


def window(target: Target, connections: int, seconds: float, scratch: Path) -> Window:
    """One window of about ``seconds`` with ``connections`` requests in flight, one on each connection.

    Raises:
        LoadFailed: not every request succeeded.
    """
    if target.protocol == "rest":
        return _wrk(target, connections, seconds)
    # h2load counts the data of its warm-up too, so the window is a number of requests, from the rate of a short run.
    trial = _h2load(target, connections, max(20, connections * 4), scratch)
    trial = _h2load(target, connections, max(connections, int(trial.throughput * min(0.3, seconds))), scratch)
    return _h2load(target, connections, max(connections, int(trial.throughput * seconds)), scratch)


def paced(target: Target, connections: int, a_second: float, seconds: float, scratch: Path) -> Window:
    """One window of requests at a rate, whether the ones before are answered or not, up to one on each connection.

    Raises:
        LoadFailed: not every request succeeded.
    """
    requests = max(connections, int(a_second * seconds))
    return _h2load(target, connections, requests, scratch, (f"--rps={max(1, round(a_second / connections))}",))


def _wrk(target: Target, connections: int, seconds: float) -> Window:
    argv = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "-s", str(WRK_SCRIPT)]
    environment = {**os.environ, "BENCH_BODY": str(target.body or ""), "BENCH_METHOD": target.method}
    return parse_wrk(_run(pinned([*argv, target.url], LOAD_CORE), environment))


def _h2load(target: Target, connections: int, requests: int, scratch: Path, pace: tuple[str, ...] = ()) -> Window:
    log = scratch / "h2load.log"
    log.unlink(missing_ok=True)
    argv = ["h2load", "-t", "1", "-m", "1", "-c", str(connections), "-n", str(requests), f"--log-file={log}"]
    is_grpc = target.protocol == "grpc"
    kind = ["-H", "te: trailers", "-H", "content-type: application/grpc"] if is_grpc else ["--h1"]
    argv += [*pace, *kind, "-d", str(target.body), target.url]
    output = _run(pinned(argv, LOAD_CORE), dict(os.environ))
    return parse_h2load(output, log.read_text(), target.answer_bytes + (_PREFIX_BYTES if is_grpc else 0))


def _run(argv: list[str], environment: Mapping[str, str]) -> str:
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise LoadFailed(f"{' '.join(argv)} exited with {result.returncode}: {result.stderr.strip()[-500:]}")
    return result.stdout


def parse_wrk(output: str) -> Window:
    """The window that ``wrk.lua`` printed.

    Raises:
        LoadFailed: a request failed, or nothing was answered.
    """
    found = re.search(r"^samples (\{.*\})$", output, re.MULTILINE)
    if found is None:
        raise LoadFailed(f"wrk printed no samples: {output.strip()[-500:]}")
    samples = json.loads(found[1])
    failures = {key: samples[key] for key in ("connect", "read", "write", "status", "timeout") if samples[key]}
    if failures or not samples["requests"]:
        raise LoadFailed(f"wrk: {samples['requests']} answers, failures {failures}")
    return Window(samples["requests"], samples["microseconds"] / 1e6, {int(us): n for us, n in samples["histogram"]})


def parse_h2load(output: str, log: str, body_bytes: int) -> Window:
    """The window of an h2load run with a given number of requests.

    Args:
        output: what h2load printed.
        log: its ``--log-file``: start in microseconds, HTTP status, microseconds taken.
        body_bytes: length of a right answer's body, over gRPC the message and its prefix.

    Raises:
        LoadFailed: a request failed, or the answers' bytes are not those of as many right answers.
    """
    counts = re.search(r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded", output, re.MULTILINE)
    data = re.search(r"^traffic: .*, [0-9.A-Z]+ \((\d+)\) data$", output, re.MULTILINE)
    if counts is None or data is None:
        raise LoadFailed(f"h2load printed no totals: {output.strip()[-500:]}")
    total, succeeded = int(counts[1]), int(counts[3])
    rows = [line.split("\t") for line in log.splitlines()]
    if succeeded != total or len(rows) != total or any(status != "200" for _, status, _ in rows):
        raise LoadFailed(f"h2load: {succeeded} of {total} requests succeeded, {len(rows)} in its log")
    expected = total * body_bytes
    if int(data[1]) != expected:
        raise LoadFailed(
            f"h2load: {data[1]} bytes of data for {total} answers, expected {expected}: calls were refused"
        )
    begin = min(int(start) for start, _, _ in rows)
    end = max(int(start) + int(took) for start, _, took in rows)
    histogram = Counter(int(took) for _, _, took in rows)
    return Window(total, (end - begin) / 1e6, dict(histogram))
