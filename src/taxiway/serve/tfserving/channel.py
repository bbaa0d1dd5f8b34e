"""``--grpc_channel_arguments``: those that mean something to this server's HTTP/2, as settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ARGUMENTS", "Argument", "Channel", "ChannelArgument", "read_channel"]

ChannelArgument = tuple[str, int | str]

_MOST = 2**31 - 1


@dataclass(frozen=True)
class Argument:
    """A channel argument that is heeded: the setting it is, its range, and which value stands for no limit.

    ``setting`` is empty for an argument whose only heeded value is what this server does anyway.
    """

    setting: str
    least: int = 1
    most: int = _MOST
    unlimited: tuple[int, int] | None = None


_FOREVER = (_MOST, 0)  # gRPC's way of saying so, and the settings'
_ANY_LENGTH = (-1, _MOST)

ARGUMENTS: dict[str, Argument] = {
    "grpc.max_concurrent_streams": Argument("grpc_max_streams"),
    "grpc.max_connection_age_ms": Argument("grpc_max_age_ms", unlimited=_FOREVER),
    "grpc.max_connection_age_grace_ms": Argument("grpc_age_grace_ms", unlimited=_FOREVER),
    "grpc.max_connection_idle_ms": Argument("grpc_max_idle_ms", unlimited=_FOREVER),
    "grpc.keepalive_time_ms": Argument("grpc_ping_interval_ms", unlimited=_FOREVER),
    "grpc.keepalive_timeout_ms": Argument("grpc_ping_timeout_ms"),
    "grpc.keepalive_permit_without_calls": Argument("", least=1, most=1),
    "grpc.http2.max_frame_size": Argument("grpc_max_frame_bytes", least=16_384, most=16_777_215),
    "grpc.http2.lookahead_bytes": Argument("grpc_stream_window_bytes"),
    "grpc.max_metadata_size": Argument("grpc_max_header_bytes"),
    "grpc.max_receive_message_length": Argument("grpc_max_receive_bytes", least=0, unlimited=_ANY_LENGTH),
    "grpc.max_send_message_length": Argument("grpc_max_send_bytes", least=0, unlimited=_ANY_LENGTH),
    "grpc.so_reuseport": Argument("", least=0, most=0),
}


@dataclass(frozen=True)
class Channel:
    """What the arguments come to: ``settings`` by name, and a sentence for each argument that has no effect."""

    settings: dict[str, int]
    unheeded: tuple[str, ...]


def read_channel(given: Iterable[ChannelArgument]) -> Channel:
    """The settings that ``given`` asks for; of two values for one argument the later counts."""
    settings: dict[str, int] = {}
    unheeded = []
    for name, value in given:
        argument = ARGUMENTS.get(name)
        if argument is None:
            unheeded.append(f"{name} has no effect on this server's HTTP/2")
        elif argument.unlimited is not None and value == argument.unlimited[0]:
            settings[argument.setting] = argument.unlimited[1]
        elif not isinstance(value, int) or not argument.least <= value <= argument.most:
            unheeded.append(f"{name}={value} has no effect: it takes {_range(argument)}")
        elif argument.setting:
            settings[argument.setting] = value
    return Channel(settings, tuple(unheeded))


def _range(argument: Argument) -> str:
    if argument.least == argument.most:
        return f"{argument.least} only"
    unlimited = " or -1" if argument.unlimited == _ANY_LENGTH else ""
    return f"an integer from {argument.least} to {argument.most}{unlimited}"
