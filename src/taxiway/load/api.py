"""The load generator for users."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from taxiway.client import Client, Tls
from taxiway.client.address import address_of
from taxiway.client.transport import Target
from taxiway.errors import InvalidArgument
from taxiway.load.equal import judge
from taxiway.load.generator import Generator
from taxiway.load.plan import Plan
from taxiway.load.report import Report, notes_on
from taxiway.load.requests import Asked, bytes_of, prepare, signature_named
from taxiway.load.window import Window, window_of
from taxiway.wire.signatures import DEFAULT_SIGNATURE

__all__ = ["bench", "look_up"]


def bench(
    url: str,
    model: str,
    data: Any = None,
    *,
    signature: str | None = None,
    version: int | None = None,
    label: str | None = None,
    tls: Tls | None = None,
    say: Callable[[str], None] | None = None,
    **plan: Any,
) -> Report:
    """Put load on a server, and measure throughput and latencies from outside.

        report = taxiway.bench("grpc://localhost:8500", "digits", {"image": x_test}, concurrency=(1, 16), seconds=5)
        report.best.throughput, report.windows[0].milliseconds(99)

    Ctrl-C ends it early: what was measured so far is returned, and says so.

    Args:
        url: as :class:`taxiway.Client` takes it.
        model: its name.
        data: inputs as :meth:`taxiway.Client.predict` takes them, of many rows; or the path of recorded requests, a
            file or a directory of them; made up from the signature when None.
        signature: which way to ask; ``serving_default`` when None.
        version: which version must answer.
        label: the label of the version that must answer; not together with ``version``.
        tls: certificates, where the system's authorities do not know the server's.
        say: told in a line what is done next.
        plan: any field of :class:`taxiway.load.Plan` by its name.

    Returns:
        A window of load for each concurrency, and what to know of it. Requests that fail are counted by code.

    Raises:
        InvalidArgument: the inputs do not fit the signature, or a setting is out of its range.
        NotFound: the server has no such model or version, or there is no recording.
        Unavailable: nobody answers.
    """
    planned = _plan(plan)
    address = address_of(url, tls)
    asked, answering = look_up(url, Target(model, version, label), signature, data, tls)
    prepared = prepare(asked, data, planned.rows)
    generator = Generator(address, prepared.requests)
    windows: list[Window] = []
    interrupted = False
    for concurrency in planned.concurrency:
        if say is not None:
            say(_announced(planned, concurrency))
        window = planned.document(concurrency)
        document, interrupted = generator.run(window)
        windows.append(window_of(window, document))
        if interrupted:
            break
    equality = judge(generator.different(), [path for path, _ in prepared.requests], address.protocol)
    cores = os.cpu_count() or 1
    return Report(
        url=url,
        model=model,
        version=answering,
        signature=asked.name,
        requests=prepared.what,
        request_bytes=bytes_of(prepared.requests),
        windows=tuple(windows),
        equality=equality,
        notes=(*prepared.notes, *notes_on(tuple(windows), equality, address.host, cores)),
        cores=cores,
        interrupted=interrupted,
    )


def look_up(
    url: str, target: Target, signature: str | None, data: Any, tls: Tls | None = None
) -> tuple[Asked, int | None]:
    """Whom requests are for, and the version that answers them, as the server says.

    Raises:
        InvalidArgument: the model has no such signature, and ``data`` is no recording, whose requests name their own.
        NotFound, Unavailable: the server has no such model, or does not answer.
    """
    address, name = address_of(url, tls), signature or DEFAULT_SIGNATURE
    with Client(url, tls=tls) as client:
        metadata = client.metadata(target.model, version=target.version, label=target.label)
    found = signature_named(metadata.signatures, name, target.model, data)
    return Asked(target, name, found, address.protocol, address.path), metadata.version


def _plan(given: dict[str, Any]) -> Plan:
    try:
        return Plan(**given)
    except TypeError:
        known = ", ".join(Plan.__dataclass_fields__)
        unknown = ", ".join(sorted(set(given) - set(Plan.__dataclass_fields__))) or given
        raise InvalidArgument(f"{unknown} cannot be said of a bench.", hint=f"It knows {known}.") from None


def _announced(plan: Plan, concurrency: int) -> str:
    pace = "" if plan.rate is None else f", {plan.rate:g} requests a second"
    return f"{concurrency} connection{'' if concurrency == 1 else 's'}{pace}: {plan.seconds:g} s"
