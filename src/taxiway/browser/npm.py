"""TensorFlow.js itself: npm packages in a folder of the user, installed once and then only read."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from taxiway.errors import FailedPrecondition, Unavailable

__all__ = ["Packages", "find", "folder", "install"]

_LOCKED = Path(__file__).parent / "packages"
_FILES = ("package.json", "package-lock.json")
_MAX_SECONDS = 900


class Packages:
    """The installed packages.

    Args:
        root: the folder with ``node_modules``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, package: str, file: str = "") -> Path:
        """A file of ``@tensorflow/PACKAGE``; its folder when no file is named."""
        return self.root / "node_modules" / "@tensorflow" / package / file


def folder() -> Path:
    """Where the packages are, or would be: one folder for each state of the lock file."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(b"".join((_LOCKED / name).read_bytes() for name in _FILES)).hexdigest()
    return cache / "taxiway" / f"browser-{digest[:16]}"


def find() -> Packages:
    """The packages; nothing is downloaded.

    Raises:
        FailedPrecondition: they are not installed.
    """
    root = folder()
    if not (root / "node_modules").is_dir():
        raise FailedPrecondition("TensorFlow.js is not installed.", hint="taxiway browser install, once")
    return Packages(root)


def install(*, again: bool = False) -> Path:
    """Install TensorFlow.js with npm, exactly as the lock file says; nothing to do when it is there.

    Args:
        again: install it anew, also when it is there.

    Returns:
        The folder.

    Raises:
        FailedPrecondition: there is no npm.
        Unavailable: npm did not manage; the message has its own words.
    """
    root = folder()
    if (root / "node_modules").is_dir() and not again:
        return root
    npm = shutil.which("npm")
    if npm is None:
        raise FailedPrecondition(
            "There is no npm, which TensorFlow.js comes with.", hint="Install Node.js 20 or newer."
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    # Beside the place, so that what is there is whole, whenever this ends.
    made = Path(tempfile.mkdtemp(prefix=f"{root.name}.", dir=root.parent))
    try:
        for name in _FILES:
            shutil.copy(_LOCKED / name, made)
        _ci(npm, made)
        if again:
            shutil.rmtree(root, ignore_errors=True)
        made.rename(root)
    except OSError:
        # Somebody else may have been faster; it is the same.
        if not (root / "node_modules").is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return root


def _ci(npm: str, where: Path) -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error", "--fetch-retries=1"]
    try:
        done = subprocess.run([npm, "ci", *options], cwd=where, capture_output=True, text=True, timeout=_MAX_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not install TensorFlow.js within {_MAX_SECONDS} s.") from None
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = said[0].removeprefix("npm error ") if said else f"exit code {done.returncode}"
        raise Unavailable(f"npm could not install TensorFlow.js: {reason}", hint="Is its registry reachable from here?")
