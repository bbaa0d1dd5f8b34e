"""What converters and runtimes say, in one sentence with what to do about it."""

from __future__ import annotations

import re

from taxiway.edge.variants import Kind

__all__ = ["explained"]

_MISSING_OPS = (
    re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op"),
    re.compile(r"(?:Flex|Custom) ops: ([\w, ]+)"),
    re.compile(r"unresolved custom op: (?!Flex)(\w+)"),
)
_MOST_OPS = 6
_MOST_CHARACTERS = 200


def explained(said: str, kind: Kind) -> str:
    """One sentence.

    Args:
        said: all that was said, over many lines.
        kind: the variant that was to be made.
    """
    if "tensor list ops" in said or "TensorListReserve" in said:
        return (
            "it loops over time with a free batch, which LiteRT cannot, and one row at a time could not be had: "
            "build the Keras file with --unroll, or export a signature for one row and name it with --signature"
        )
    found = {name.strip() for pattern in _MISSING_OPS for one in pattern.findall(said) for name in one.split(",")}
    if names := sorted(name.removeprefix("Flex") for name in found if name.strip()):
        more = f" and {len(names) - _MOST_OPS} more" if len(names) > _MOST_OPS else ""
        return (
            f"LiteRT has no operation for {', '.join(names[:_MOST_OPS])}{more}: "
            "export a signature without and name it with --signature"
        )
    line = next((line.strip() for line in said.splitlines() if line.strip()), "no reason was given")
    line = re.sub(r"^(ConverterError|FailedPrecondition|RuntimeError|ValueError): ", "", line)
    if len(line) > _MOST_CHARACTERS:
        line = f"{line[:_MOST_CHARACTERS].rstrip()}…"
    return f"{line}; take {kind.instead} instead" if kind.instead else line
