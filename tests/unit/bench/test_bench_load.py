"""What the load generators print, and which windows do not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import load
from bench.load import LoadFailed, Target, framed, parse_h2load, parse_wrk

_H2LOAD = """
finished in 1.00s, 4.00 req/s, 190.73KB/s
requests: 4 total, 4 started, 4 done, {succeeded} succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 184.46KB (188882) total, 6.15KB (6300) headers (space savings 96.11%), 68.36KB ({data}) data
"""
_LOG = "1000000\t200\t300\n1000200\t200\t500\n1000400\t200\t300\n1001000\t200\t1000\n"
_WRK = """Running 1s test

samples {{"requests":3,"microseconds":2000000,"connect":0,"read":0,"write":0,"status":{status},"timeout":0,\
"histogram":[[90,2],[120,1]]}}
"""


def test_h2load_window_spans_the_first_start_to_the_last_end() -> None:
    window = parse_h2load(_H2LOAD.format(succeeded=4, data=4 * 25), _LOG, body_bytes=25)
    assert (window.requests, window.seconds) == (4, 0.002)
    assert window.histogram == {300: 2, 500: 1, 1000: 1}
    assert window.throughput == 2000


def test_h2load_refuses_a_failed_request() -> None:
    with pytest.raises(LoadFailed, match="3 of 4"):
        parse_h2load(_H2LOAD.format(succeeded=3, data=100), _LOG, body_bytes=25)


def test_h2load_refuses_a_status_in_the_log() -> None:
    with pytest.raises(LoadFailed, match="in its log"):
        parse_h2load(_H2LOAD.format(succeeded=4, data=100), _LOG.replace("\t200\t1000", "\t503\t1000"), 25)


def test_a_grpc_refusal_has_no_message_and_is_noticed() -> None:
    with pytest.raises(LoadFailed, match="calls were refused"):
        parse_h2load(_H2LOAD.format(succeeded=4, data=3 * 25), _LOG, body_bytes=25)


def test_h2load_without_totals_is_an_error() -> None:
    with pytest.raises(LoadFailed, match="no totals"):
        parse_h2load("connection refused", "", 25)


def test_wrk_window() -> None:
    window = parse_wrk(_WRK.format(status=0))
    assert (window.requests, window.seconds, window.histogram) == (3, 2.0, {90: 2, 120: 1})


def test_wrk_refuses_a_window_with_errors() -> None:
    with pytest.raises(LoadFailed, match="'status': 2"):
        parse_wrk(_WRK.format(status=2))


def test_framed_is_a_grpc_message() -> None:
    assert framed(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_load_at_a_rate_is_spread_over_the_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def run(argv: list[str], environment: object) -> str:
        asked.extend(argv)
        (tmp_path / "h2load.log").write_text(_LOG)
        return _H2LOAD.format(succeeded=4, data=4 * 25)

    monkeypatch.setattr(load, "_run", run)
    window = load.paced(Target("http://x", "rest", tmp_path / "body", 25), 2, 4000.0, 0.001, tmp_path)
    assert window.requests == 4
    assert {"--rps=2000", "--h1"} <= set(asked)
    assert asked[asked.index("-n") + 1] == "4"
