"""Chromium, headless, with an empty profile of its own: where an artefact meets what it was made for."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from taxiway.browser.npm import Packages
from taxiway.browser.run.asking import Answered, Asked, answered_of, batches, encoded, timed
from taxiway.browser.run.web import WebServer
from taxiway.errors import FailedPrecondition, Unavailable

__all__ = ["BACKENDS", "Backend", "Chromium", "find_chromium"]

T = TypeVar("T")
BACKENDS = ("wasm", "cpu", "webgl", "webgpu")
_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BASE = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
# On a machine without a GPU, SwiftShader computes in its place.
_SOFTWARE = ("--ignore-gpu-blocklist", "--enable-unsafe-swiftshader")
_OWN = {
    "webgl": ("--use-gl=angle", "--use-angle=swiftshader", *_SOFTWARE),
    "webgpu": ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan", *_SOFTWARE),
}
_START_SECONDS = 180.0
_MAX_SECONDS = 300.0
# A request is a JSON document in one message; rows in many megabytes are asked in several.
_MAX_REQUEST_BYTES = 16 << 20


def find_chromium() -> str:
    """The browser that is installed.

    Raises:
        FailedPrecondition: there is none, or nothing here can drive it.
    """
    found = next(filter(None, map(shutil.which, _COMMANDS)), None)
    if found is None:
        raise FailedPrecondition(
            "There is no Chromium.", hint="Install it (apt install chromium), or Google Chrome, so that PATH has it."
        )
    try:
        import playwright  # noqa: F401
    except ImportError:
        raise FailedPrecondition(
            "Nothing here can drive the browser: playwright is not installed.", hint="pip install 'taxiway[browser]'"
        ) from None
    return found


class Chromium:
    """One browser for many artefacts and backends, as a context.

    Args:
        packages: TensorFlow.js, of which the backends that artefacts do not bring are taken.
    """

    def __init__(self, packages: Packages) -> None:
        self._command = find_chromium()
        self.web = WebServer({"run": Path(__file__).parent, "packages": packages.root})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._contexts: dict[str, Any] = {}
        self._profiles: list[str] = []
        self._playwright: Any = None

    def __enter__(self) -> Chromium:
        self.web.__enter__()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.do(self._close(), _START_SECONDS)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self.web.__exit__(kind, error, at)
            for profile in self._profiles:
                shutil.rmtree(profile, ignore_errors=True)

    def do(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Do something with the browser.

        Raises:
            Unavailable: it took too long.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except (FutureTimeout, TimeoutError):
            future.cancel()
            raise Unavailable(f"Chromium did not answer within {seconds:g} s.", hint="Give fewer rows.") from None

    def context(self, backend: str = "wasm") -> Any:
        """The browser as playwright's context; started for a backend where it is not running yet."""
        kind = backend if backend in _OWN else ""
        if kind not in self._contexts:
            try:
                self._contexts[kind] = self.do(self._started(_OWN.get(kind, ("--disable-gpu",))), _START_SECONDS)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  playwright raises its own
                raise FailedPrecondition(f"{self._command} does not start: {_line(error)}") from None
        return self._contexts[kind]

    def served(self, folder: Path) -> str:
        """The name that a folder is served under."""
        key = f"artifact-{len(self.web.folders)}"
        self.web.folders[key] = folder.absolute()
        return key

    def ask(self, folder: Path, backend: str, asked: Asked) -> Answered:
        """Load the artefact in a folder on a backend and ask it; see :class:`taxiway.browser.run.asking.Runtime`."""
        context, key = self.context(backend), self.served(folder)
        parts = list(_parts(asked))
        replies = []
        for part in parts:
            request = {"batches": part, "timed": timed(asked) if part is parts[0] else None}
            replies.append(self.do(self._asked(context, [key, backend, request]), _MAX_SECONDS))
        return answered_of(replies, f"Chromium ({backend})")

    async def _asked(self, context: Any, arguments: list[Any]) -> dict[str, Any]:
        from playwright.async_api import Error

        page = await context.new_page()
        try:
            await page.goto(f"{self.web.url}/run/ask.html")
            await page.wait_for_function("window.ready")
            script = "([folder, backend, request]) => window.ask(folder, backend, request)"
            found: dict[str, Any] = await page.evaluate(script, arguments)
            return found
        except Error as error:
            return {"error": _line(error)}
        finally:
            await page.close()

    async def _started(self, extra: tuple[str, ...]) -> Any:
        from playwright.async_api import async_playwright

        if self._playwright is None:
            self._playwright = await async_playwright().start()
        profile = tempfile.mkdtemp(prefix="taxiway-chromium-")
        self._profiles.append(profile)
        return await self._playwright.chromium.launch_persistent_context(
            profile, executable_path=self._command, headless=True, args=[*_BASE, *extra]
        )

    async def _close(self) -> None:
        for context in self._contexts.values():
            await context.close()
        if self._playwright is not None:
            await self._playwright.stop()


class Backend:
    """A backend of TensorFlow.js in a browser.

    Args:
        browser: the browser.
        name: one of :data:`BACKENDS`.
    """

    def __init__(self, browser: Chromium, name: str) -> None:
        self.name = name
        self._browser = browser

    def ask(self, folder: Path, asked: Asked) -> Answered:
        """See :class:`taxiway.browser.run.asking.Runtime`."""
        return self._browser.ask(folder, self.name, asked)


def _parts(asked: Asked) -> list[list[dict[str, Any]]]:
    """Batches in groups that fit into one message."""
    parts: list[list[dict[str, Any]]] = [[]]
    size = 0
    for batch in batches(asked):
        one = encoded(batch)
        weight = sum(len(value["data"]) for value in one.values())
        if parts[-1] and size + weight > _MAX_REQUEST_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += weight
    return parts


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
