"""What to do about the ranks of a cluster: a pure function from a state and an event to a state and actions.

    WAITING ──every rank listens──▶ RUNNING ──every rank that must finish did──▶ STOPPING ──all gone──▶ ENDED
       │                               │                                            │
       └── a rank failed, or the start deadline passed, or an interrupt ───────────▶┘──▶ WAITING (all start again)

One rank that is gone takes all others with it: a collective operation that lost a member never completes, and only a
fresh start from the last checkpoint gives the result that an uninterrupted run gives. Only the workers of parameter
servers are no members of anything: one that is gone while the others run is started again alone, or done without.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from taxiway.errors import DeadlineExceeded, Internal, TaxiwayError, Unavailable
from taxiway.train.cluster.failure import Exit, Failure, cause

__all__ = [
    "Action",
    "Event",
    "Exited",
    "Interrupted",
    "Listening",
    "Phase",
    "Policy",
    "Rank",
    "Say",
    "Signal",
    "Spawn",
    "State",
    "Tick",
    "begin",
    "decide",
]


class Phase(Enum):
    """Where a cluster stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True)
class Policy:
    """The limits of a launch.

    Args:
        start_seconds: how long the ranks of one wave may take until they listen.
        grace_seconds: how long a rank may take to end after SIGTERM, before SIGKILL.
        max_restarts: how often all ranks start again, and how often single ones do beside that.
    """

    start_seconds: float = 120.0
    grace_seconds: float = 5.0
    max_restarts: int = 3


@dataclass(frozen=True)
class Rank:
    """One process of the cluster.

    Args:
        name: ``worker 1``.
        log: where its output is, for messages.
        finishes: whether the job is done when this rank is; a parameter server only ends because it is told to.
        wave: ranks of wave 0 start first, those of wave 1 when all before them listen.
        alone: whether the others go on when this one is gone; it is started again alone.
    """

    name: str
    log: str
    finishes: bool = True
    wave: int = 0
    alone: bool = False


@dataclass(frozen=True)
class Listening:
    """A rank accepts connections at its address."""

    rank: str


@dataclass(frozen=True)
class Exited:
    """A rank is gone: its exit code (minus the signal's number where one killed it), and its last error line."""

    rank: str
    code: int
    line: str = ""


@dataclass(frozen=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True)
class Interrupted:
    """Someone wants the launch to end (Ctrl-C, SIGTERM)."""


Event = Listening | Exited | Tick | Interrupted


@dataclass(frozen=True)
class Spawn:
    """Start these ranks."""

    ranks: tuple[str, ...]
    attempt: int


@dataclass(frozen=True)
class Signal:
    """Send SIGTERM to these ranks, or SIGKILL."""

    ranks: tuple[str, ...]
    kill: bool


@dataclass(frozen=True)
class Say:
    """Tell people."""

    text: str


Action = Spawn | Signal | Say


@dataclass(frozen=True)
class State:
    """Everything :func:`decide` knows.

    ``exits`` are those of the running attempt in the order in which they were seen, ``failures`` the causes of the
    attempts before it, ``replaced`` why single ranks were started again. ``ending`` says that no other attempt follows;
    ``error`` then is None when the job is done.
    """

    ranks: tuple[Rank, ...]
    policy: Policy
    phase: Phase = Phase.WAITING
    attempt: int = 1
    spawned: frozenset[str] = frozenset()
    listening: frozenset[str] = frozenset()
    exits: tuple[Exit, ...] = ()
    killed: bool = False
    deadline: float | None = None
    failures: tuple[Failure, ...] = ()
    replaced: tuple[Failure, ...] = ()
    ending: bool = False
    interrupted: bool = False
    error: TaxiwayError | None = field(default=None, compare=False)

    @property
    def alive(self) -> tuple[str, ...]:
        """Ranks that were started in this attempt and are not gone."""
        gone = {exit.rank for exit in self.exits}
        return tuple(rank.name for rank in self.ranks if rank.name in self.spawned and rank.name not in gone)

    @property
    def awaited(self) -> tuple[str, ...]:
        """Ranks that are alive and do not listen yet."""
        return tuple(name for name in self.alive if name not in self.listening)


Step = tuple[State, tuple[Action, ...]]


def begin(ranks: tuple[Rank, ...], policy: Policy, now: float) -> Step:
    """The first step of a launch."""
    return _spawn(State(ranks, policy), 0, now)


def decide(state: State, event: Event, now: float) -> Step:
    """What follows from an event.

    Args:
        state: from :func:`begin` or the last call.
        event: what was observed.
        now: seconds of a clock that only goes forward.
    """
    if state.phase is Phase.ENDED:
        return state, ()
    if isinstance(event, Interrupted):
        return _interrupt(state, now)
    if isinstance(event, Listening):
        return _listening(replace(state, listening=state.listening | {event.rank}), now)
    if isinstance(event, Exited):
        return _exited(state, event, now)
    return _tick(state, now)


def _spawn(state: State, wave: int, now: float) -> Step:
    names = tuple(rank.name for rank in state.ranks if rank.wave == wave)
    state = replace(state, spawned=state.spawned.union(names), deadline=now + state.policy.start_seconds)
    return state, (Spawn(names, state.attempt),)


def _listening(state: State, now: float) -> Step:
    if state.phase is not Phase.WAITING or state.awaited:
        return state, ()
    later = {rank.wave for rank in state.ranks if rank.name not in state.spawned}
    if later:
        return _spawn(state, min(later), now)
    return replace(state, phase=Phase.RUNNING, deadline=None), ()


def _exited(state: State, event: Exited, now: float) -> Step:
    told = state.phase is Phase.STOPPING
    exit = Exit(event.rank, event.code, event.line, told=told, killed=state.killed)
    state = replace(state, exits=(*state.exits, exit))
    if told:
        return _settle(state, now) if not state.alive else (state, ())
    rank = next(rank for rank in state.ranks if rank.name == event.rank)
    if rank.alone and state.phase is Phase.RUNNING:
        return _replace(state, exit, now)
    if event.code != 0 or not rank.finishes:
        return _stop(state, now)
    finished = {exit.rank for exit in state.exits}
    if all(rank.name in finished for rank in state.ranks if rank.finishes):
        return _stop(replace(state, ending=True), now)
    return _listening(state, now)


def _replace(state: State, exit: Exit, now: float) -> Step:
    """A rank is gone that the others can go on without."""
    failure = cause((exit,))
    if len(state.replaced) < state.policy.max_restarts:
        rest = tuple(other for other in state.exits if other is not exit)
        state = replace(state, replaced=(*state.replaced, failure), exits=rest)
        say = Say(f"{failure.sentence} It starts again; the others go on.")
        return state, (say, Spawn((exit.rank,), state.attempt))
    if any(rank.alone and rank.name in state.alive for rank in state.ranks):
        return state, (Say(f"{failure.sentence} The others go on without it."),)
    return _stop(state, now)


def _tick(state: State, now: float) -> Step:
    if state.deadline is None or now < state.deadline:
        return state, ()
    if state.phase is Phase.WAITING:
        return _stop(replace(state, ending=True, error=_never_started(state)), now)
    return _kill(state, now)


def _interrupt(state: State, now: float) -> Step:
    # A second interrupt is someone who does not want to wait.
    hurry = state.interrupted
    state = replace(state, ending=True, interrupted=True)
    if state.phase is not Phase.STOPPING:
        return _stop(state, now)
    return _kill(state, now) if hurry else (state, ())


def _stop(state: State, now: float) -> Step:
    state = replace(state, phase=Phase.STOPPING, deadline=now + state.policy.grace_seconds)
    return (state, (Signal(state.alive, kill=False),)) if state.alive else _settle(state, now)


def _kill(state: State, now: float) -> Step:
    # Asked again after another grace: a process in an uninterruptible wait only dies when that ends.
    state = replace(state, killed=True, deadline=now + state.policy.grace_seconds)
    return state, (Signal(state.alive, kill=True),)


def _settle(state: State, now: float) -> Step:
    """All ranks are gone: end, or start all again."""
    if state.ending:
        return replace(state, phase=Phase.ENDED, deadline=None), ()
    failure = cause(state.exits)
    state = replace(state, failures=(*state.failures, failure))
    if not failure.may_pass:
        return _give_up(state, failure.sentence, program=True)
    restarts = state.attempt - 1
    if restarts >= state.policy.max_restarts:
        return _give_up(state, f"{failure.sentence} That was after {_times(restarts)}.", program=False)
    say = Say(
        f"{failure.sentence} All start again from the last checkpoint ({state.attempt} of {state.policy.max_restarts})."
    )
    fresh = State(state.ranks, state.policy, attempt=state.attempt + 1, failures=state.failures)
    fresh = replace(fresh, replaced=state.replaced)
    fresh, actions = _spawn(fresh, 0, now)
    return fresh, (say, *actions)


def _give_up(state: State, sentence: str, *, program: bool) -> Step:
    log = next(rank.log for rank in state.ranks if rank.name == state.failures[-1].rank)
    error = (Internal if program else Unavailable)(sentence, hint=f"Its output is in {log}.")
    return replace(state, phase=Phase.ENDED, deadline=None, ending=True, error=error), ()


def _never_started(state: State) -> TaxiwayError:
    late = [rank for rank in state.ranks if rank.name in state.awaited]
    names = " and ".join(rank.name for rank in late)
    return DeadlineExceeded(
        f"{names} did not start within {state.policy.start_seconds:g} seconds; all ranks were ended.",
        hint=f"See what it printed in {', '.join(rank.log for rank in late)}, or allow more time.",
    )


def _times(restarts: int) -> str:
    return "no restart" if restarts == 0 else "1 restart" if restarts == 1 else f"{restarts} restarts"
