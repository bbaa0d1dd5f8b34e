"""Why an attempt failed, from how its ranks ended."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from enum import Enum

__all__ = ["Exit", "Failure", "FailureKind", "cause", "error_line", "lost_peer"]

# What TensorFlow's collectives, its parameter servers and gRPC say in the ranks that are left when one is gone.
_LOST_PEER = re.compile(
    r"UnavailableError|AbortedError|CancelledError|[Ss]ocket closed|stopped sending heartbeats"
    r"|Connection (reset|refused)|lost (a|its|another) (peer|rank|worker)|failed to connect to all addresses"
    r"|Connection timed out"
)
# Another process took a port between the moment it was found free and the moment it was wanted.
_TAKEN = re.compile(r"Could not start gRPC server|Address already in use")
_ERROR = re.compile(r"^(error: |[\w.]*(Error|Exception|Interrupt|Argument|Precondition|NotFound)\b)")
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class FailureKind(Enum):
    """How a rank failed. An error of the program would only come again; what the surroundings did need not."""

    DIED = "died"
    RAISED = "raised"
    LOST_PEER = "lost a peer"
    NO_PORT = "found its port taken"


@dataclass(frozen=True)
class Exit:
    """How one rank ended.

    Args:
        rank: its name.
        code: its exit code; minus the signal's number where one killed it.
        line: its last error line, empty when it printed none.
        told: whether it had been sent SIGTERM.
        killed: whether it had been sent SIGKILL.
    """

    rank: str
    code: int
    line: str = ""
    told: bool = False
    killed: bool = False

    @property
    def obeyed(self) -> bool:
        """Whether it ended by the signal it was sent, which says nothing about why."""
        return (self.told and self.code in (-signal.SIGTERM, 128 + signal.SIGTERM)) or (
            self.killed and self.code == -signal.SIGKILL
        )


@dataclass(frozen=True)
class Failure:
    """The cause of a failed attempt: which rank, how, and what it said."""

    kind: FailureKind
    rank: str
    detail: str

    @property
    def sentence(self) -> str:
        """``worker 1 was killed by SIGKILL.``"""
        said = self.detail if self.detail.endswith((".", "!", "?")) else f"{self.detail}."
        return f"{self.rank} {said}" if self.kind is FailureKind.DIED else f"{self.rank} failed: {said}"

    @property
    def may_pass(self) -> bool:
        """Whether starting again may help."""
        return self.kind is not FailureKind.RAISED


def cause(exits: tuple[Exit, ...]) -> Failure:
    """The cause of an attempt in which not every rank finished.

    Ranks fall like dominoes, and the first one that was seen to fall need not be the first that fell. A rank killed by
    a signal that was not ours is the cause; else the first that raised an error of its own; else the first at all.
    """
    own = [exit for exit in exits if not exit.obeyed]
    died = next((exit for exit in own if exit.code < 0), None)
    if died is not None:
        return Failure(FailureKind.DIED, died.rank, f"was killed by {signal_name(-died.code)}")
    failed = [exit for exit in own if exit.code > 0]
    taken = next((exit for exit in failed if _TAKEN.search(exit.line)), None)
    if taken is not None:
        return Failure(FailureKind.NO_PORT, taken.rank, taken.line)
    raised = next((exit for exit in failed if not _LOST_PEER.search(exit.line)), None)
    if raised is not None:
        return Failure(FailureKind.RAISED, raised.rank, raised.line or f"it exited with code {raised.code}")
    if failed:
        return Failure(FailureKind.LOST_PEER, failed[0].rank, failed[0].line)
    first = (own or list(exits))[0]
    return Failure(FailureKind.DIED, first.rank, "ended before the job was done")


def lost_peer(line: str) -> bool:
    """Whether an error line only says that another rank is gone."""
    return _LOST_PEER.search(line) is not None


def error_line(line: str) -> str | None:
    """The sentence in a line of output that reports an error, without the ``error:`` before it; None in any other."""
    text = _CONTROL.sub("", line).strip()
    return text.removeprefix("error: ").strip() if _ERROR.match(text) else None


def signal_name(number: int) -> str:
    """``SIGKILL`` of 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
