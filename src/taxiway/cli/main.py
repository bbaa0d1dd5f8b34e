"""The command ``taxiway``: one table of commands, each imported when it is called.

Exit codes: 0 done, 1 what was asked for failed, 2 the call was wrong, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from taxiway import __version__
from taxiway.cli import output
from taxiway.errors import InvalidArgument, TaxiwayError

__all__ = ["COMMANDS", "main", "taxiway"]

# name: (module:command, what `taxiway --help` says). In the order of a model's life. The sentence stands here so that
# the list of commands imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("taxiway.cli.train:train", "Train a job on one device or many."),
    "tune": ("taxiway.cli.tune:tune", "Find good parameters of a job by training it again and again."),
    "runs": ("taxiway.cli.runs:runs", "Show what was trained."),
    "devices": ("taxiway.cli.devices:devices", "Show what TensorFlow can run on, and its runtime settings."),
    "publish": ("taxiway.cli.publish:publish", "Put a SavedModel into a store as its next version."),
    "versions": ("taxiway.cli.versions:versions", "Show the versions in a store."),
    "edge": ("taxiway.cli.edge:edge", "Make files for phones and boards that answer like the model."),
    "serve": ("taxiway.cli.serve:serve", "Serve models over REST and gRPC."),
    "predict": ("taxiway.cli.predict:predict", "Ask a server."),
    "feedback": ("taxiway.cli.feedback:feedback", "Say what became of answers: labels that arrive as a file."),
    "status": ("taxiway.cli.status:status", "Show which versions serve."),
    "inspect": ("taxiway.cli.inspect:inspect", "Show a model's signatures, sizes and lineage."),
    "rollout": ("taxiway.cli.rollout:rollout", "Bring a new version step by step, and back when it is worse."),
    "rollback": ("taxiway.cli.rollback:rollback", "Put the previous version back."),
    "hold": ("taxiway.cli.hold:hold", "Keep a version from being served."),
    "release": ("taxiway.cli.hold:release", "Let held versions be served again."),
    "history": ("taxiway.cli.history:history", "Show what was changed, when, by whom."),
    "replay": ("taxiway.cli.replay:replay", "Ask two versions the requests that a server recorded."),
    "bench": ("taxiway.cli.bench:bench", "Put load on a server: throughput and latencies."),
    "tune-serving": ("taxiway.cli.tune_serving:tune_serving", "Find the settings that serve a model best."),
    "drill": ("taxiway.cli.drill:drill", "Rehearse a bad version and see how soon it is noticed."),
    "browser": ("taxiway.cli.browser:browser", "Make a version for web pages, tried in a real browser."),
    "openapi": ("taxiway.cli.openapi:openapi", "Print what the REST port answers, as an OpenAPI document."),
}


class _Commands(click.Group):
    """A group whose commands are rows of :data:`COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        module, _, attribute = row[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: taxiway serve models/",
)
@click.version_option(__version__, prog_name="taxiway", message="%(prog)s %(version)s")
def taxiway() -> None:
    """Take a TensorFlow or Keras model from trained to trusted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows ``taxiway``; the process's own when None.

    Returns:
        The exit code. What went wrong stands on standard error, as ``error: …`` and ``hint: …``.
    """
    try:
        code = taxiway.main(None if arguments is None else list(arguments), prog_name="taxiway", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        output.print_error(error.format_message(), _usage_hint(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.print_error("interrupted")
        return output.INTERRUPTED
    except TaxiwayError as error:
        output.print_error(error.message, error.hint)
        return 2 if isinstance(error, InvalidArgument) else 1
    except BrokenPipeError:
        # The reader (`head`, a closed pager) has what it wanted. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a directory that cannot be written: nothing that a line of our code explains better.
        output.print_error(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        return 1


def _usage_hint(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help" if context is not None else None
