"""Certificates made for one test, by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["Authority"]


class Authority:
    """A CA of its own with the files ``NAME.pem`` and ``NAME.key`` of whomever it signed, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        self.folder = folder
        folder.mkdir()
        self._run("req", "-x509", *self._new_key("ca"), "-subj", "/CN=test CA", "-days", "2", "-out", "ca.pem")

    def sign(self, name: str) -> None:
        """Make a key and a certificate for ``localhost``, good for servers and clients."""
        self._run("req", *self._new_key(name), "-subj", f"/CN={name}", "-out", f"{name}.csr")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._run(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", f"{name}.pem",
        )  # fmt: skip

    def pem(self, name: str) -> bytes:
        """The text of a file, ``ca.pem`` or ``NAME.key``."""
        return (self.folder / name).read_bytes()

    def path(self, name: str) -> str:
        """Where that file is."""
        return str(self.folder / name)

    def _new_key(self, name: str) -> list[str]:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        return [*curve, "-keyout", f"{name}.key"]

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)
