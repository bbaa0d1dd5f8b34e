"""How a client knows its server, and shows who it is itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from taxiway.errors import InvalidArgument, NotFound

__all__ = ["TLS_HINT", "Tls", "read"]

TLS_HINT = "Tls(ca_file=…) says who signed the server's certificate; a server may ask for cert_file and key_file too."

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Tls:
    """Certificates of ``https://`` and ``grpcs://``, as PEM files.

    Attributes:
        ca_file: the authorities that may have signed the server's certificate; the system's own when None.
        cert_file: this client's certificate, for a server that asks for one.
        key_file: the private key of ``cert_file``.

    Raises:
        InvalidArgument: a certificate without its key, or a key without its certificate.
        NotFound: a file cannot be read.
    """

    ca_file: PathLike | None = None
    cert_file: PathLike | None = None
    key_file: PathLike | None = None

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise InvalidArgument("A client shows a certificate and proves it by its key.", hint="Give both files.")
        for file in (self.ca_file, self.cert_file, self.key_file):
            read(file)


def read(file: PathLike | None) -> bytes | None:
    """What is in the file; None of None.

    Raises:
        NotFound: it cannot be read.
    """
    if file is None:
        return None
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.", hint="Give a PEM file.") from None
