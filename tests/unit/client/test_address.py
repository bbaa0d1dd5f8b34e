"""Where a URL leads."""

from __future__ import annotations

import pytest

from taxiway.client.address import address_of
from taxiway.client.tls import Tls
from taxiway.errors import InvalidArgument


@pytest.mark.parametrize(
    ("url", "protocol", "target", "authority"),
    [
        ("grpc://far", "grpc", "far:8500", "far:8500"),
        ("grpc://[::1]:7", "grpc", "[::1]:7", "[::1]:7"),
        ("http://far:8501/below/", "rest", "far:8501", "far:8501"),
        ("https://far", "rest", "far:443", "far:443"),
        ("unix:///run/s.sock", "grpc", "unix:/run/s.sock", "localhost"),
    ],
)
def test_a_url_says_who_is_asked_and_how(url: str, protocol: str, target: str, authority: str) -> None:
    address = address_of(url)
    assert (address.protocol, address.target, address.authority) == (protocol, target, authority)
    assert (address.tls is not None) == url.startswith("https")
    assert address.path == ("/below" if "below" in url else "")


@pytest.mark.parametrize(
    "url", ["far:8500", "ftp://far", "grpc://", "grpc://far:x", "grpc://far/path", "unix://", "unix:///"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="is no address of a server"):
        address_of(url)


def test_certificates_need_tls() -> None:
    with pytest.raises(InvalidArgument, match="has no TLS"):
        address_of("unix:///s", Tls())
