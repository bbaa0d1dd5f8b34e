"""What becomes of a cluster's ranks, as a table: no process, no clock."""

from __future__ import annotations

from taxiway.errors import DeadlineExceeded, Internal, Unavailable
from taxiway.train.cluster.failure import Exit, FailureKind, cause, error_line
from taxiway.train.cluster.supervise import (
    Action,
    Event,
    Exited,
    Interrupted,
    Listening,
    Phase,
    Policy,
    Rank,
    Say,
    Signal,
    Spawn,
    State,
    Tick,
    begin,
    decide,
)

POLICY = Policy(start_seconds=10, grace_seconds=2, max_restarts=2)
A, B = "worker 0", "worker 1"
WORKERS = (Rank(A, "a.log"), Rank(B, "b.log"))
SERVED = (
    Rank("chief 0", "c.log", wave=1),
    Rank(A, "a.log", finishes=False, alone=True),
    Rank(B, "b.log", finishes=False, alone=True),
    Rank("ps 0", "p.log", finishes=False),
)


def play(ranks: tuple[Rank, ...], *events: Event | tuple[float, Event]) -> tuple[State, list[Action]]:
    """The state after events, each at time 0 or at the time given with it, and everything that was to be done."""
    state, actions = begin(ranks, POLICY, 0)
    done = list(actions)
    for event in events:
        now, event = event if isinstance(event, tuple) else (0.0, event)
        state, actions = decide(state, event, now)
        done += actions
    return state, done


def up(*names: str) -> tuple[Event, ...]:
    return tuple(Listening(name) for name in names)


def test_all_finish() -> None:
    state, done = play(WORKERS, *up(A, B), Exited(A, 0), Exited(B, 0))
    assert (state.phase, state.error, state.attempt) == (Phase.ENDED, None, 1)
    assert done == [Spawn((A, B), 1)]


def test_a_rank_that_is_done_before_anyone_saw_it_listen_is_not_late() -> None:
    state, _ = play(WORKERS, *up(A), Exited(B, 0), (100, Tick()), Exited(A, 0))
    assert (state.phase, state.error) == (Phase.ENDED, None)


def test_a_dead_rank_takes_all_with_it_and_all_start_again() -> None:
    state, done = play(WORKERS, *up(A, B), Exited(B, -9))
    assert done[1:] == [Signal((A,), kill=False)]
    assert state.phase is Phase.STOPPING
    # TensorFlow catches SIGTERM in a collective; only SIGKILL ends it.
    state, (kill,) = decide(state, Tick(), 2)
    assert kill == Signal((A,), kill=True)
    state, (say, spawn) = decide(state, Exited(A, -9), 2)
    assert isinstance(say, Say)
    assert say.text == "worker 1 was killed by SIGKILL. All start again from the last checkpoint (1 of 2)."
    assert spawn == Spawn((A, B), 2)
    assert (state.phase, state.attempt, state.exits, state.killed) == (Phase.WAITING, 2, (), False)


def test_the_grace_passes_first() -> None:
    _, done = play(WORKERS, *up(A, B), (5, Exited(B, -9)), (6.9, Tick()))
    assert Signal((A,), kill=True) not in done


def test_deaths_are_bounded() -> None:
    dies = (*up(A, B), Exited(B, -9), Exited(A, -15))
    state, done = play(WORKERS, *dies, *dies, *dies)
    assert [action.attempt for action in done if isinstance(action, Spawn)] == [1, 2, 3]
    assert isinstance(state.error, Unavailable)
    assert state.error.message == "worker 1 was killed by SIGKILL. That was after 2 restarts."
    assert state.error.hint == "Its output is in b.log."


def test_an_error_of_the_program_ends_the_run_at_once() -> None:
    state, done = play(WORKERS, *up(A, B), Exited(B, 1, "ValueError: step 7 is odd"), Exited(A, -15))
    assert [action.attempt for action in done if isinstance(action, Spawn)] == [1]
    assert isinstance(state.error, Internal)
    assert state.error.message == "worker 1 failed: ValueError: step 7 is odd."
    assert state.error.hint == "Its output is in b.log."


def test_a_port_that_was_taken_is_no_error_of_the_program() -> None:
    taken = Exited(B, 1, "UnknownError: Could not start gRPC server")
    state, done = play(WORKERS, *up(A), taken, Exited(A, -15))
    assert [action.attempt for action in done if isinstance(action, Spawn)] == [1, 2]
    assert state.failures[0].kind is FailureKind.NO_PORT and state.error is None


def test_a_worker_of_parameter_servers_starts_again_alone() -> None:
    everyone = up(A, B, "ps 0", "chief 0")
    state, done = play(SERVED, *everyone, Exited(B, -9))
    assert done[-2:] == [Say("worker 1 was killed by SIGKILL. It starts again; the others go on."), Spawn((B,), 1)]
    assert (state.phase, state.attempt, state.exits) == (Phase.RUNNING, 1, ())
    # Twice more than it may: the others finish without it.
    state, done = play(SERVED, *everyone, Exited(B, -9), Exited(B, -9), Exited(B, -9))
    assert done[-1] == Say("worker 1 was killed by SIGKILL. The others go on without it.")
    assert state.phase is Phase.RUNNING and B not in state.alive
    state, actions = decide(state, Exited("chief 0", 0), 9)
    assert actions == (Signal((A, "ps 0"), kill=False),) and state.ending


def test_without_a_worker_left_all_start_again() -> None:
    deaths = (Exited(B, -9),) * 3
    _, done = play(SERVED, *up(A, B, "ps 0", "chief 0"), *deaths, Exited(A, -9))
    assert done[-1] == Signal(("chief 0", "ps 0"), kill=False)
    _, done = play(SERVED, *up(A, B), Exited(A, -9))
    assert done[-1] == Signal((B, "ps 0"), kill=False), "before all listen, nobody can go on"


def test_a_rank_that_never_starts_is_named() -> None:
    state, done = play(WORKERS, *up(A), (9, Tick()), (10, Tick()), (12, Tick()), (12, Exited(A, -9)))
    assert state.phase is Phase.STOPPING
    assert done[1:] == [Signal((A, B), kill=False), Signal((A, B), kill=True)]
    state, _ = decide(state, Exited(B, -9), 12)
    assert state.phase is Phase.ENDED
    assert isinstance(state.error, DeadlineExceeded)
    assert state.error.message == "worker 1 did not start within 10 seconds; all ranks were ended."
    assert state.error.hint is not None and "b.log" in state.error.hint


def test_once_all_listen_there_is_no_start_deadline() -> None:
    state, done = play(WORKERS, *up(A, B), (1000, Tick()))
    assert (state.phase, len(done)) == (Phase.RUNNING, 1)


def test_the_chief_waits_for_those_that_serve_it_and_ends_them() -> None:
    state, done = play(SERVED, *up(A, B))
    assert done == [Spawn((A, B, "ps 0"), 1)]
    state, (spawn,) = decide(state, Listening("ps 0"), 5)
    assert (spawn, state.deadline) == (Spawn(("chief 0",), 1), 15)
    state, _ = decide(state, Listening("chief 0"), 6)
    state, (stop,) = decide(state, Exited("chief 0", 0), 7)
    assert stop == Signal((A, B, "ps 0"), kill=False)
    for name in (A, B, "ps 0"):
        state, _ = decide(state, Exited(name, -15), 7)
    assert (state.phase, state.error) == (Phase.ENDED, None)


def test_a_parameter_server_that_ends_by_itself_failed() -> None:
    state, done = play(SERVED, *up(A, B, "ps 0", "chief 0"), Exited("ps 0", 0))
    assert done[-1] == Signal(("chief 0", A, B), kill=False)
    assert not state.ending


def test_an_interrupt_stops_and_a_second_one_does_not_wait() -> None:
    state, done = play(WORKERS, *up(A, B), Interrupted())
    assert done[-1] == Signal((A, B), kill=False)
    state, (kill,) = decide(state, Interrupted(), 0)
    assert kill == Signal((A, B), kill=True)
    state, _ = decide(state, Exited(A, -9), 0)
    state, actions = decide(state, Exited(B, -9), 0)
    assert (state.phase, state.interrupted, state.error, actions) == (Phase.ENDED, True, None, ())


def test_the_rank_that_fell_first_is_the_cause_whatever_was_seen_first() -> None:
    lost = Exit(A, 1, "UnavailableError: Socket closed")
    own = Exit(B, 1, "ValueError: bad", told=True)
    assert cause((lost, own)).rank == B
    assert cause((lost, Exit(B, -9, told=True))).kind is FailureKind.DIED
    # Killed by us: no cause of its own.
    assert cause((lost, Exit(B, -9, told=True, killed=True))).kind is FailureKind.LOST_PEER
    assert cause((Exit(A, 3),)).sentence == "worker 0 failed: it exited with code 3."


def test_error_lines_are_found_in_output() -> None:
    assert error_line("\x1b[31merror:\x1b[0m There is no data.") == "There is no data."
    assert error_line("keras.src.errors.BadError: no") == "keras.src.errors.BadError: no"
    assert error_line("loss: 0.5, errors: 3") is None
