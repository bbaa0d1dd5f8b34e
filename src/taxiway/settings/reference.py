"""The settings as a page for people, written from the table: ``docs/reference/settings.md``."""

from __future__ import annotations

from taxiway.settings.table import Policy, Row, Takeover, rows

__all__ = ["render"]

_TITLES = {
    "server": ("`[server]`", "The process, its ports and its limits."),
    "defaults": (
        "`[models.NAME]` and `[defaults]`",
        "A model. `[defaults]` holds for what its own section leaves out.",
    ),
}


def render() -> str:
    """The page, in Markdown."""
    parts = [
        "# Settings\n",
        "Said in `taxiway.toml` (`taxiway serve --config taxiway.toml`), in the environment, or on the command line;",
        "the later counts more. An unknown key is refused. A name ends with its unit.\n",
    ]
    for section, (title, sentence) in _TITLES.items():
        parts += [f"## {title}\n", f"{sentence}\n", "| name | type | default | variable | what it does |"]
        parts += ["|---|---|---|---|---|", *(_line(row) for row in rows(section).values()), ""]
    return "\n".join(parts)


def _line(row: Row) -> str:
    kind = "table" if row.name == "labels" else getattr(row.type, "__name__", str(row.type)).lower()
    kind = {"tuple": "list", "policy": "text, list or table", "takeover": "text or table"}.get(kind, kind)
    variable = f"`{row.environment}`" if row.environment else ""
    choices = f" One of {', '.join(f'`{choice}`' for choice in row.choices)}." if row.choices else ""
    return f"| `{row.name}` | {kind} | {_default(row)} | {variable} | {row.sentence}{choices} |"


def _default(row: Row) -> str:
    if isinstance(row.default, Policy):
        return '`"latest"`'
    if isinstance(row.default, Takeover):
        return '`"immediate"`'
    if row.default is None or row.default == "":
        return ""
    value = list(row.default) if isinstance(row.default, tuple) else row.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
