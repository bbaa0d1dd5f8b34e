"""Reading text-format protobuf files with protobuf's own parser, with TensorFlow Serving's error texts."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, TaxiwayError

__all__ = ["BadProtobufFile", "parse_text", "read_text_message"]

M = TypeVar("M", bound=Message)

_ERROR_OF_ERRNO: dict[int, type[TaxiwayError]] = {
    errno.ENOENT: NotFound,
    errno.EACCES: PermissionDenied,
    errno.EPERM: PermissionDenied,
    errno.EISDIR: FailedPrecondition,
}
# What stands between two tokens of interest: a comment, a quoted string (which may span lines), or one character.
_TOKEN = re.compile(r"""\#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|.""", re.DOTALL)


class BadProtobufFile(InvalidArgument):
    """A file that is not a text-format message of its type.

    Attributes:
        parser_line: the parser's own complaint with line and column, as protobuf writes it to stderr.
    """

    def __init__(self, path: str, parser_line: str) -> None:
        super().__init__(f"Invalid protobuf file: '{path}'", hint=parser_line)
        self.parser_line = parser_line


def read_text_message(path: str, message: M, *, tolerant: bool = False) -> M:
    """Fill ``message`` from the text-format file at ``path`` and return it.

    Args:
        path: a file's path.
        message: an empty message of the type the file holds.
        tolerant: skip fields that the message does not have, for messages of which we keep only the parts we honour.

    Raises:
        BadProtobufFile: when the text is not such a message.
        TaxiwayError: NOT_FOUND, PERMISSION_DENIED and so on when the file cannot be read. An empty file is
            INVALID_ARGUMENT, as in TensorFlow: it is much more often a half-written one than a wish for nothing.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        kind = _ERROR_OF_ERRNO.get(error.errno or 0, TaxiwayError)
        raise kind(f"{path}; {os.strerror(error.errno or 0)}") from error
    if not data:
        raise InvalidArgument(f"{path}; {os.strerror(errno.EINVAL)}", hint="the file is empty")
    try:
        return parse_text(data, message, tolerant=tolerant)
    except text_format.ParseError as error:
        raise BadProtobufFile(
            path, f"Error parsing text-format {message.DESCRIPTOR.full_name}: {_complaint(error)}"
        ) from error


def _complaint(error: text_format.ParseError) -> str:
    """``LINE:COLUMN: what is wrong``; Python's parser also repeats the whole line, which may be a key's text."""
    return re.sub(r"^(\d+(?::\d+)?) : (?:'.*': )?", r"\1: ", str(error), flags=re.DOTALL)


def parse_text(data: bytes, message: M, *, tolerant: bool = False) -> M:
    """Fill ``message`` from text-format ``data`` and return it. Raises ``text_format.ParseError``."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise text_format.ParseError("Text is not valid UTF-8.", line, 1) from error
    pool: Any = message.DESCRIPTOR.file.pool
    try:
        text_format.Parse(
            _close_strings_at_line_ends(text),
            message,
            allow_unknown_field=tolerant,
            descriptor_pool=pool,
        )
    except RecursionError as error:
        raise text_format.ParseError("Message is nested too deeply.", 1, 1) from error
    return message


def _close_strings_at_line_ends(text: str) -> str:
    """Write strings that span lines, as PEM texts often do, as adjacent strings of one line each.

    protobuf's C++ parser takes a line end within quotes, its Python parser does not. Lines keep their numbers.
    """
    if "\n" not in text:
        return text

    def rewrite(match: re.Match[str]) -> str:
        token = match[0]
        return token.replace("\n", f"\\n{token[0]}\n{token[0]}") if token[0] in "\"'" and len(token) > 1 else token

    return _TOKEN.sub(rewrite, text)
