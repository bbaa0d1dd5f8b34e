"""Bodies of REST requests: right for a signature, then spoilt. Everything comes from one seeded ``Random``."""

from __future__ import annotations

import base64
import gzip
import json
from random import Random
from typing import Any

NUMBERS = (0, 1, -1, 0.5, 1e-46, 3.5e38, 1e400, -0.0, 127, 128, 255, 256, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64)
TEXTS = ("", "a", "é\x00", "\ud800", "%s", "x" * 300, "serving_default", "NaN", "-1")
LEAVES: tuple[Any, ...] = (*NUMBERS, *TEXTS, None, True, False, float("nan"), float("-inf"), [], {}, {"b64": "!"})
KEYS = ("signature_name", "inputs", "instances", "examples", "context", "b64", "x", "text", "", "é")
RAGGED = b'{"instances": [[1], [2, 3]]}'
NESTED = b'{"instances": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"


class Bodies:
    """Makes bodies for a model. ``signatures`` is what its metadata says."""

    def __init__(self, random: Random, signatures: dict[str, Any]) -> None:
        self._random = random
        self._signatures = {name: one for name, one in signatures.items() if not name.startswith("__")}

    def any(self, verb: str) -> tuple[bytes, bool]:
        """A body, and whether it is compressed: one of three right, the others spoilt as values or as bytes."""
        if self._random.random() < 0.01:
            return self._random.choice((RAGGED, NESTED, b"", b"\xef\xbb\xbf{}", b"null")), False
        document: Any = self._predict() if verb == "predict" else self._examples(verb)
        if self._random.random() < 0.5:
            document = self._spoilt(document, 0)
        text = json.dumps(document).encode(errors="surrogatepass")
        if self._random.random() < 0.25:
            text = spoilt_bytes(self._random, text)
        if self._random.random() < 0.1:
            packed = gzip.compress(text, 1)
            return (spoilt_bytes(self._random, packed) if self._random.random() < 0.3 else packed), True
        return text, False

    def _predict(self) -> dict[str, Any]:
        name = self._random.choice(list(self._signatures))
        inputs = self._signatures[name]["inputs"]
        rows = self._random.choice((0, 1, 1, 2, 3, 17))
        if self._random.random() < 0.5:
            tensors = {alias: self._tensor(info, rows) for alias, info in inputs.items()}
            bare = len(tensors) == 1 and self._random.random() < 0.5
            document: dict[str, Any] = {"inputs": next(iter(tensors.values())) if bare else tensors}
        else:
            columns = {alias: self._tensor(info, rows) for alias, info in inputs.items()}
            listed = {alias: column if isinstance(column, list) else [column] for alias, column in columns.items()}
            instances = [dict(zip(listed, row, strict=False)) for row in zip(*listed.values(), strict=False)]
            document = {"instances": instances}
        if name != "serving_default" or self._random.random() < 0.1:
            document["signature_name"] = name
        return document

    def _tensor(self, info: dict[str, Any], rows: int) -> Any:
        extents = [int(dim["size"]) for dim in info["tensor_shape"]["dim"]]
        if info["tensor_shape"]["unknown_rank"]:
            extents = [-1] * self._random.randrange(4)
        return self._filled(info["dtype"], [rows if extent < 0 else extent for extent in extents])

    def _filled(self, dtype: str, extents: list[int]) -> Any:
        if extents:
            return [self._filled(dtype, extents[1:]) for _ in range(min(extents[0], 64))]
        if dtype == "DT_STRING":
            data = self._random.randbytes(self._random.randrange(6))
            return self._random.choice(({"b64": base64.b64encode(data).decode()}, "text", ""))
        if dtype == "DT_BOOL":
            return self._random.random() < 0.5
        if dtype in ("DT_FLOAT", "DT_DOUBLE"):
            return self._random.choice((self._random.uniform(-9, 9), self._random.randrange(9), float("nan")))
        return self._random.randrange(100)

    def _examples(self, verb: str) -> dict[str, Any]:
        def example() -> dict[str, Any]:
            whole = {"x": [self._random.uniform(-9, 9)], "name": ["n"], "n": self._random.randrange(9)}
            return {key: value for key, value in whole.items() if self._random.random() < 0.9}

        document: dict[str, Any] = {"examples": [example() for _ in range(self._random.choice((0, 1, 1, 2, 5)))]}
        if self._random.random() < 0.2:
            document["context"] = example()
        if self._random.random() < 0.8:
            document["signature_name"] = self._random.choice((verb, verb, *self._signatures))
        return document

    def _spoilt(self, value: Any, depth: int) -> Any:
        """The same with one place changed: a leaf, a key, a length, a level."""
        random = self._random
        if depth > 6 or random.random() < 0.2 or not isinstance(value, (dict, list)) or not value:
            return random.choice((random.choice(LEAVES), [value], {random.choice(KEYS): value}, [value, value]))
        if isinstance(value, list):
            at = random.randrange(len(value))
            return [*value[:at], *self._instead(value[at], depth), *value[at + 1 :]]
        key = random.choice(list(value))
        spoilt = {**value, key: self._spoilt(value[key], depth + 1)}
        match random.randrange(6):
            case 0:
                del spoilt[key]
            case 1:
                spoilt[random.choice(KEYS)] = value[key]
        return spoilt

    def _instead(self, element: Any, depth: int) -> list[Any]:
        """What stands in a list in an element's place."""
        return self._random.choice(([], [element] * 3, [self._spoilt(element, depth + 1)]))


def spoilt_bytes(random: Random, text: bytes) -> bytes:
    """The same with a piece cut off, left out, repeated, flipped or put in."""
    at = random.randrange(len(text) + 1)
    end = min(len(text), at + random.choice((1, 1, 2, 8, 64)))
    return random.choice(
        (
            text[:at],
            text[:at] + text[end:],
            text[:end] + text[at:],
            text[:at] + bytes(byte ^ (1 << random.randrange(8)) for byte in text[at:end]) + text[end:],
            text[:at] + random.randbytes(random.choice((1, 4, 40))) + text[at:],
        )
    )
