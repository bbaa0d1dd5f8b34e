"""What stands before the numeric part of a text model: Keras' TextVectorization as a document, and as a few lines.

A device does the same: lower the ASCII letters, take the punctuation out, split, look each word up, cut, fill with 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from taxiway.contract.agreement import Array
from taxiway.errors import FailedPrecondition
from taxiway.types import JsonObject

__all__ = ["IDS", "PROBES", "TOKENISER_FILE", "Tokeniser", "tokeniser_of"]

TOKENISER_FILE = "tokeniser.json"
IDS = "ids"
"""What the numeric part's input is called."""

PROBES = ("", "A b, C!", " x\ty\n z ", "Ärger über \u00a0ÇA", "it's (well) a_b-c \\ `~", "…–„“", "ß\u2003q", "a" * 99)
_PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
_UPPER = {ord(one): ord(one) + 32 for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_SPACES = " \t\n\v\f\r"
_STANDARDS = {
    "lower_and_strip_punctuation": (True, True), "lower": (True, False), "strip_punctuation": (False, True),
    None: (False, False),
}  # fmt: skip


@dataclass(frozen=True)
class Tokeniser:
    """Texts → whole numbers.

    Attributes:
        input: what the texts are called in the whole model.
        lower: whether A to Z become a to z; no other letters do.
        strip_punctuation: whether ASCII punctuation is taken out.
        split: ``whitespace`` or ``character``.
        length: how many numbers a text becomes; longer ones are cut, shorter ones filled with 0.
        vocabulary: the words of the numbers from 2; 1 is for any other.
    """

    input: str
    lower: bool
    strip_punctuation: bool
    split: str
    length: int
    vocabulary: Sequence[str]

    def ids(self, texts: Sequence[str | bytes] | Array) -> Array:
        """The numbers, (n, length)."""
        numbers = {word: number for number, word in enumerate(self.vocabulary, 2)}
        found = np.zeros((len(texts), self.length), np.int64)
        for row, text in enumerate(texts):
            words = self._words(text.decode() if isinstance(text, bytes) else str(text))[: self.length]
            found[row, : len(words)] = [numbers.get(word, 1) for word in words]
        return found

    def _words(self, text: str) -> list[str]:
        if self.lower:
            text = text.translate(_UPPER)
        if self.strip_punctuation:
            text = text.translate(dict.fromkeys(map(ord, _PUNCTUATION)))
        if self.split == "character":
            return list(text)
        for space in _SPACES:
            text = text.replace(space, " ")
        return [word for word in text.split(" ") if word]

    def as_json(self) -> JsonObject:
        """The document of :data:`TOKENISER_FILE`."""
        return {**asdict(self), "vocabulary": list(self.vocabulary)}


def tokeniser_of(name: str, config: Mapping[str, Any], vocabulary: Sequence[str]) -> Tokeniser:
    """The tokeniser of a TextVectorization layer.

    Args:
        name: of the text input.
        config: the layer's.
        vocabulary: its words, without those for nothing and for unknown words.

    Raises:
        FailedPrecondition: the layer does more than a document can say; the message says what.
    """
    standard, split, length = config["standardize"], config["split"], config["output_sequence_length"]
    why = ""
    if not isinstance(standard, str | None) or standard not in _STANDARDS:
        why = "it standardizes by a function of its own"
    elif split not in ("whitespace", "character"):
        why = "it does not split at whitespace or characters"
    elif config["output_mode"] != "int" or config.get("ngrams") or config.get("ragged"):
        why = "it does not answer one number a word"
    elif length is None:
        why = "it has no output_sequence_length"
    if why:
        raise FailedPrecondition(
            f"The tokeniser cannot be split off: {why}.",
            hint="Export a signature of the numeric part, what follows the tokeniser, and name it with --signature.",
        )
    lower, strip = _STANDARDS[standard]
    return Tokeniser(name, lower, strip, str(split), int(length), [str(one) for one in vocabulary])
