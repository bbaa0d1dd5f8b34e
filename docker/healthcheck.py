"""Exit 0 when the server in this container is ready, 1 when it is not.

TAXIWAY_HEALTH_PORT is the REST port, 8501 unless it was changed by a flag.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.error
import urllib.request


def ready(port: str) -> bool:
    """Whether ``/readyz`` answers 200, over HTTP or, when the port speaks TLS, over HTTPS."""
    # The probe asks its own container: there is no one to be fooled by, and the certificate names another host.
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    for scheme in ("http", "https"):
        try:
            url = f"{scheme}://127.0.0.1:{port}/readyz"
            with urllib.request.urlopen(url, timeout=2, context=tls if scheme == "https" else None) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False
        except OSError:
            continue
    return False


if __name__ == "__main__":
    sys.exit(0 if ready(os.environ.get("TAXIWAY_HEALTH_PORT", "8501")) else 1)
