"""Reading the model config file again and again, as ``--model_config_file_poll_wait_seconds`` asks."""

from __future__ import annotations

import logging
import threading

from taxiway.clock import Clock
from taxiway.errors import TaxiwayError
from taxiway.serve.tfserving.files import BadProtobufFile, read_text_message
from taxiway.serve.tfserving.reload import Reloader
from taxiway.wire import message

__all__ = ["ConfigPoller"]

log = logging.getLogger(__name__)


class ConfigPoller:
    """A thread that applies the file at each interval, changed or not; a file with an error changes nothing."""

    def __init__(self, path: str, interval_seconds: float, reloader: Reloader, clock: Clock) -> None:
        self._path = path
        self._interval_seconds = interval_seconds
        self._reloader = reloader
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taxiway-config-poll", daemon=True)

    def start(self) -> None:
        """Begin; the first reading is one interval from now."""
        self._thread.start()

    def stop(self) -> None:
        """End. A reload that waits for models at this moment is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._clock.wait(self._stopped, self._interval_seconds):
            try:
                self.poll()
            except Exception:  # the thread must outlive whatever one reading does
                log.exception("Applying %s failed.", self._path)

    def poll(self) -> None:
        """Read the file once and apply it; what is wrong is logged."""
        try:
            config = read_text_message(self._path, message("tensorflow.serving.ModelServerConfig")())
        except TaxiwayError as error:
            if isinstance(error, BadProtobufFile):
                log.error("%s", error.parser_line)
            log.error("Failed to read ModelServerConfig file: %s", error.message)
            return
        try:
            self._reloader.reload(config)
        except TaxiwayError as error:
            log.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error.message)
