"""The process: signals, the native data plane, and the one thing TensorFlow Serving forgives, a taken REST port."""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading

from taxiway.clock import SystemClock
from taxiway.serve.daemons import ended
from taxiway.serve.ending import Ending
from taxiway.serve.server import NativeDataPlane, TlsTexts, load_spec
from taxiway.serve.tfserving.options import ServerOptions, Tls
from taxiway.serve.tfserving.service import ModelServer
from taxiway.serve.tfserving.translate import server_settings

__all__ = ["run"]

log = logging.getLogger(__name__)


def run(options: ServerOptions) -> int:
    """Serve until SIGTERM or SIGINT, also while models still load.

    Returns:
        0, after a signal.

    Raises:
        TaxiwayError: the server could not start.
    """
    with Ending() as ending:
        code = _run(_with_free_rest_port(options), ending)
    return ended(code)


def _run(options: ServerOptions, ending: Ending) -> int:
    settings = server_settings(options)
    spec = load_spec(settings, options.loading.op_libraries)
    server = ModelServer(options, NativeDataPlane(settings, _tls(options.tls)), spec, SystemClock())
    failures: list[Exception] = []

    def start() -> None:
        try:
            server.start()
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            # What is ended while it starts may fail to start for that; it ends as asked.
            if not ending.is_set():
                failures.append(error)
                ending.set()

    # In a thread of its own: models may take for ever to come, and a signal must end the process all the same.
    threading.Thread(target=start, name="taxiway-start", daemon=True).start()
    ending.wait()
    server.stop()
    if failures:
        raise failures[0]
    return 0


def _tls(tls: Tls | None) -> TlsTexts | None:
    """What the data plane needs; without ``verify_clients`` nobody is asked for a certificate."""
    return TlsTexts(tls.certificate, tls.key, tls.client_ca if tls.verify_clients else None) if tls else None


def _with_free_rest_port(options: ServerOptions) -> ServerOptions:
    """``options`` without REST when its port is taken; TensorFlow Serving goes on with gRPC then."""
    port = options.listen.rest_port
    if port is None:
        return options
    family = socket.AF_INET6 if ":" in options.listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.listen.host, port))
            return options
        except OSError as error:
            log.error("Failed to start HTTP Server at localhost:%d: %s", port, error.strerror)
    return dataclasses.replace(options, listen=dataclasses.replace(options.listen, rest_port=None))
