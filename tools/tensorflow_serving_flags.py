"""docs/reference/tensorflow-serving-flags.md, from the table the command itself is made from."""

from __future__ import annotations

from taxiway.serve.tfserving.flags import OURS, THEIRS, Flag, State, Type

MEANING = {
    State.SAME: "does what it does there",
    State.BETTER: "does that, with the difference its sentence tells",
    State.PARTLY: "does that for the values its sentence lists, and warns by name about each other one",
    State.IGNORED: "is taken, has no effect, and is warned about when it is given",
    State.REFUSED: "stops the server with an error when it is given",
}


def render() -> str:
    """The whole page."""
    counts = {state: sum(flag.state is state for flag in THEIRS) for state in State}
    legend = "\n".join(f"- **{state.value}** ({counts[state]}): {MEANING[state]}." for state in State)
    return f"""# Flags of taxiway-model-server

Generated from `src/taxiway/serve/tfserving/flags.py`; do not edit.

tensorflow_model_server's {len(THEIRS)} flags, and what each does here:

{legend}

Syntax: `--flag=value`, and nothing else; a boolean may stand bare. Unknown arguments are printed with the usage text,
and the server goes on, as tensorflow_model_server does.

{_table(THEIRS, with_state=True)}

## Flags of our own

{_table(OURS, with_state=False)}
"""


def _table(flags: tuple[Flag, ...], *, with_state: bool) -> str:
    state = (" State |", "---|") if with_state else ("", "")
    rows = [f"| Flag | Default | Group |{state[0]} What it does |", f"|---|---|---|{state[1]}---|"]
    for flag in flags:
        shown = f" {flag.state.value} |" if with_state else ""
        rows.append(f"| `--{flag.name}` | {_default(flag)} | {flag.group} |{shown} {flag.sentence} |")
    return "\n".join(rows)


def _default(flag: Flag) -> str:
    if flag.type is Type.BOOL:
        return str(flag.default).lower()
    return f"`{flag.default}`" if flag.type is Type.STRING and flag.default else str(flag.default)
