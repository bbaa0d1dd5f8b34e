"""The generator in Rust, against servers that do what a server may do."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from taxiway.client.address import address_of
from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.load.generator import Generator
from taxiway.load.plan import Plan
from taxiway.load.window import Window, window_of
from tests.unit.load.conftest import grpc_server, rest_server
from tests.waiting import PATIENCE_SECONDS, free_port

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")

REQUESTS = [("/v1/models/m:predict", b"one"), ("/v1/models/m:predict", b"two")]
SHORT: dict[str, Any] = {"seconds": 0.3, "warm_up_seconds": 0.0}
# A busy machine may answer next to nothing in a short window; then one that is longer is tried.
WINDOWS = (0.3, 3.0, 30.0)


def run(generator: Generator, concurrency: int = 2, **plan: Any) -> Window:
    asked = Plan((concurrency,), **{**SHORT, **plan}).document(concurrency)
    document, interrupted = generator.run(asked)
    assert not interrupted
    return window_of(asked, document)


def measured(
    serve: Callable[[], AbstractContextManager[str]],
    enough: Callable[[Window], bool],
    requests: Sequence[tuple[str, bytes]] = REQUESTS,
    concurrency: int = 2,
    **plan: Any,
) -> tuple[Generator, Window]:
    """The first of WINDOWS in which a server, begun anew for each, comes to enough; the last when none does."""
    for seconds in WINDOWS:
        with serve() as url:
            generator = Generator(address_of(url), requests)
            window = run(generator, concurrency, seconds=seconds, **plan)
        # As long as was asked for, to the nanosecond: what comes later is not counted.
        assert window.seconds == pytest.approx(seconds)
        if enough(window):
            break
    return generator, window


def after(seconds: float) -> Callable[[int], tuple[int, bytes]]:
    """A server's answers that take so long."""
    wait = threading.Event()

    def answer(_: int) -> tuple[int, bytes]:
        wait.wait(seconds)
        return 200, b""

    return answer


def test_answers_are_counted_timed_and_alike() -> None:
    generator, window = measured(lambda: rest_server(lambda _: (200, b"{}")), lambda found: found.answers > 3)
    assert window.answers > 3 and window.failed == 0
    assert sum(window.latencies.values()) == window.answers
    assert window.answers - 2 <= window.in_time == sum(window.slices) <= window.answers
    assert len(window.busy) == 1
    assert generator.different() == []


def test_refusals_are_counted_by_status_with_the_first_ones_words() -> None:
    _, window = measured(
        lambda: rest_server(lambda number: (200, b"{}") if number % 2 else (503, b"busy")),
        lambda found: found.answers > 3,
    )
    (failure,) = window.failures
    assert (failure.code, failure.message) == ("HTTP 503", "busy")
    assert abs(failure.count - window.answers) <= 2


def test_an_answer_unlike_the_first_to_its_request_is_kept() -> None:
    generator, window = measured(
        lambda: rest_server(lambda number: (200, b"first" if number < 4 else b"later")),
        lambda found: found.answers > 4, REQUESTS[:1], 1,
    )  # fmt: skip
    (found,) = generator.different()
    assert (found.request, found.first, found.not_kept) == (0, b"first", 0)
    assert found.others == ((b"later", window.answers - 4),)


def test_a_stall_is_felt_by_every_request_that_fell_due_in_it() -> None:
    stall = threading.Event()

    def answer(number: int) -> tuple[int, bytes]:
        if number == 20:
            stall.wait(0.3)
        return 200, b""

    with rest_server(answer) as url:
        window = run(Generator(address_of(url), REQUESTS), 1, seconds=0.8, rate=100.0)
    slow = sum(count for took, count in window.latencies.items() if took > 50e6)
    # In a closed loop one request alone would be slow. Thirty fall due in 0.3 s, and 25 of them wait over 50 ms; on a
    # busy machine some of these never have their turn.
    assert slow + window.unsent >= 20
    assert window.answers + window.unsent == 80


def test_what_falls_due_and_is_never_sent_is_told() -> None:
    with rest_server(after(0.05)) as url:
        window = run(Generator(address_of(url), REQUESTS), 1, rate=200.0)
    assert window.unsent > 30 and window.answers < 12


def test_nobody_there_is_a_failure_and_no_end() -> None:
    nobody = nullcontext(f"http://127.0.0.1:{free_port()}")
    _, window = measured(lambda: nobody, lambda found: found.failed > 5)
    (failure,) = window.failures
    assert failure.code == "CONNECTION" and "refused" in failure.message
    assert window.answers == 0 and failure.count > 5


def test_a_request_that_takes_too_long_is_given_up() -> None:
    _, window = measured(
        lambda: rest_server(after(PATIENCE_SECONDS)), lambda found: found.failed > 1, REQUESTS, 1, timeout_seconds=0.05
    )
    (failure,) = window.failures
    assert failure.code == "TIMEOUT" and failure.count >= 2 and window.answers == 0


def test_calls_carry_the_message_and_end_with_their_status() -> None:
    seen: set[bytes] = set()

    def answer(message: bytes, context: Any) -> bytes:
        seen.add(message)
        if message == b"two":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room")
        return b"answer to " + message

    generator, window = measured(
        lambda: grpc_server(answer), lambda found: found.answers > 1, [("/s/M", b"one"), ("/s/M", b"two")]
    )
    assert seen == {b"one", b"two"} and generator.different() == []
    (failure,) = window.failures
    assert (failure.code, failure.message) == ("RESOURCE_EXHAUSTED", "no room")
    assert abs(failure.count - window.answers) <= 2


def test_a_calls_answer_is_its_message() -> None:
    def serve() -> AbstractContextManager[str]:
        answers = itertools.chain([b"first"], itertools.repeat(b"later"))
        return grpc_server(lambda _, __: next(answers))

    generator, window = measured(serve, lambda found: found.answers > 1, [("/s/M", b"one")], 1)
    (found,) = generator.different()
    assert (found.first, found.others) == (b"first", ((b"later", window.answers - 1),))


def test_an_interrupt_keeps_what_was_measured() -> None:
    waiting = threading.Event()

    def answer(number: int) -> tuple[int, bytes]:
        if number == 9:
            assert waiting.wait(PATIENCE_SECONDS)
            signal.raise_signal(signal.SIGINT)
        return 200, b""

    with rest_server(answer) as url:
        asked = Plan((1,), seconds=60, warm_up_seconds=0).document(1)
        generator = Generator(address_of(url), REQUESTS)
        load = generator._load

        def wait(seconds: float) -> bool:
            waiting.set()
            return bool(load.wait(seconds))

        # Not before the generator waits: elsewhere an interrupt is an interrupt.
        watched = SimpleNamespace(start=load.start, wait=wait, finish=load.finish)
        generator._load = watched  # type: ignore[assignment]
        document, interrupted = generator.run(asked)
    window = window_of(asked, document)
    assert interrupted and not window.whole
    # The other connection's last answer may still be on its way.
    assert window.answers >= 8 and window.seconds < 50


def test_what_cannot_be_asked_is_refused() -> None:
    address = address_of("grpc://127.0.0.1:1")
    with pytest.raises(InvalidArgument, match="no request to send"):
        Generator(address, [])
    with pytest.raises(InvalidArgument, match="is no address"):
        Generator(address, [("/a b", b"")])
    generator = Generator(address, REQUESTS)
    with pytest.raises(InvalidArgument, match="threads is 3; it must be above 0 and at most 2"):
        generator.run({**Plan(seconds=1).document(2), "threads": 3})
    with pytest.raises(FailedPrecondition, match="no window was begun"):
        generator._told(generator._load.finish)
