"""``taxiway-model-server``: tensorflow_model_server's command line in front of Taxiway.

What goes where, as there: usage and the reason of a failed start to standard output, everything else to standard
error. Exit codes: 0 after ``--version`` or a signal, 255 for everything that could not be done.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
from collections.abc import Sequence

from taxiway import __version__
from taxiway.errors import TaxiwayError
from taxiway.serve.tfserving.channel import read_channel
from taxiway.serve.tfserving.files import BadProtobufFile
from taxiway.serve.tfserving.flags import FLAGS, State, Value
from taxiway.serve.tfserving.options import check_available, read_options
from taxiway.serve.tfserving.run import run
from taxiway.serve.tfserving.syntax import parse, usage

__all__ = ["main"]

FAILED = 255
# The release whose flags, routes and texts are matched; programs read it from --version.
SERVING_VERSION = "2.21.0"
_LEVELS = {"0": logging.INFO, "1": logging.WARNING, "2": logging.ERROR, "3": logging.CRITICAL}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until a signal ends it; return the process's exit code."""
    program, *rest = sys.argv if argv is None else ("taxiway-model-server", *argv)
    arguments = parse(rest)
    if arguments.errors or arguments.wants_help:
        for error in arguments.errors:
            print(error, file=sys.stderr)
        print(usage(program), end="")
        return FAILED
    if arguments.values["version"]:
        print(f"TensorFlow ModelServer: {SERVING_VERSION}+taxiway.{__version__}")
        print(f"TensorFlow Library: {_version('tensorflow', 'tensorflow-cpu', 'tensorflow-gpu')}")
        return 0
    if arguments.unknown:
        print(f"unknown argument: {arguments.unknown[0]}\n{usage(program)}", end="", flush=True)
    _warn(arguments.unknown, arguments.values)
    _log_to_stderr()
    try:
        options = read_options(arguments.values)
        check_available(arguments.values)
        for sentence in read_channel(options.listen.grpc_channel_arguments).unheeded:
            print(f"warning: --grpc_channel_arguments: {sentence}", file=sys.stderr)
        return run(options)
    except TaxiwayError as error:
        _report(error)
        return FAILED


def _warn(unknown: Sequence[str], values: dict[str, Value]) -> None:
    """Say what was asked for and will not happen."""
    for argument in unknown:
        print(f"warning: {argument} is no flag of this server and has no effect", file=sys.stderr)
    for flag in FLAGS:
        if flag.state is State.IGNORED and values[flag.name] != flag.value:
            print(f"warning: --{flag.name} has no effect here: {flag.sentence}", file=sys.stderr)


def _report(error: TaxiwayError) -> None:
    if isinstance(error, BadProtobufFile):
        print(error.parser_line, file=sys.stderr)
    elif error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    print(f"Failed to start server. Error: {error.kind}: {error.message}", flush=True)


def _log_to_stderr() -> None:
    """Log as TensorFlow Serving is told to: ``TF_CPP_MIN_LOG_LEVEL`` is 0 (all) to 3 (hardly anything)."""
    logging.basicConfig(
        stream=sys.stderr,
        level=_LEVELS.get(os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0"), logging.INFO),
        format="%(asctime)s %(levelname).1s %(name)s] %(message)s",
    )


def _version(*distributions: str) -> str:
    """The version of the first of these distributions that is installed."""
    for distribution in distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "not installed"


if __name__ == "__main__":
    sys.exit(main())
