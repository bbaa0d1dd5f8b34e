"""docs/reference/commands.md, from the commands themselves: what `--help` says, as a page."""

from __future__ import annotations

import click

from taxiway.cli.main import COMMANDS, taxiway

WIDTH = 96


PAGE = """\
# Commands

Generated from `src/taxiway/cli/`; do not edit.

Exit codes: 0 done, 1 what was asked for failed, 2 the call was wrong, 130 interrupted. Results go to standard output,
everything else to standard error; with `--json` a command prints the same value for programs.
`taxiway-model-server` has [a page of its own](tensorflow-serving-flags.md).

| command | does |
|---|---|
"""


def render() -> str:
    """The whole page."""
    rows = [f"| [`taxiway {name}`](#taxiway-{name}) | {sentence} |\n" for name, (_, sentence) in COMMANDS.items()]
    return PAGE + "".join(rows) + "".join(f"\n## taxiway {name}\n\n```text\n{_help(name)}\n```\n" for name in COMMANDS)


def _help(name: str) -> str:
    parent = click.Context(taxiway, info_name="taxiway")
    command = taxiway.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    return "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
