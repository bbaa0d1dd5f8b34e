"""The client."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType

from taxiway.client.address import address_of
from taxiway.client.answer import Answer, Metadata, VersionStatus
from taxiway.client.feedback import Feedback, FeedbackCounts, Label, give_all
from taxiway.client.retry import Retrying
from taxiway.client.tls import Tls
from taxiway.client.transport import Call, Deadline, Target, Transport
from taxiway.clock import Clock, SystemClock
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, TaxiwayError
from taxiway.wire.inputs import Inputs, check_outputs, named_arrays
from taxiway.wire.signatures import DEFAULT_SIGNATURE, Signature

__all__ = ["Client", "Label"]

_MAX_VERSIONS_KNOWN = 256
# What a server keeps of a request id; it replaces any other by one of its own.
_HEADER_TEXT = re.compile(r"[!-~]{1,128}")


class Client:
    """Asks a server, Taxiway or TensorFlow Serving, over REST or gRPC. Threads may share one.

        with taxiway.Client("grpc://localhost:8500") as client:
            answer = client.predict("digits", {"image": images})
            answer["probabilities"], answer.version

    Both protocols take the same inputs and give arrays of the same dtypes. What a model takes and gives is asked once a
    version, so the first prediction costs one call more.

    Args:
        url: ``http://host:port`` or ``grpc://host:port``; ``https://`` and ``grpcs://`` over TLS; ``unix:///path`` for
            gRPC over a Unix socket.
        timeout_seconds: how long a call may take, retries included.
        retries: how often to ask again at most, when nobody was there or the server turned the call away before any
            work. A call that may have been worked on is never asked again.
        tls: certificates, where the system's authorities do not know the server's.
        clock: what tells the time and waits.

    Raises:
        InvalidArgument: the URL is none of these, or has no TLS and certificates are given.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 60.0,
        retries: int = 3,
        tls: Tls | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._timeout_seconds = timeout_seconds
        Deadline(self._clock, timeout_seconds)
        self._transport: Transport = Retrying(_transport(url, tls), retries, self._clock)
        self._url = url
        self._lock = threading.Lock()
        self._latest: dict[Target, Metadata] = {}
        self._known: dict[tuple[str, int], Metadata] = {}

    def predict(
        self,
        model: str,
        inputs: Inputs,
        *,
        signature: str | None = None,
        version: int | None = None,
        label: str | None = None,
        outputs: Sequence[str] = (),
        request_id: str | None = None,
        routing_key: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Ask a model.

        Args:
            model: its name.
            inputs: arrays (or what numpy makes arrays of) by input name; a bare one when the model has one input.
            signature: which way to ask; ``serving_default`` when None.
            version: which version must answer.
            label: the label of the version that must answer; not together with ``version``.
            outputs: which outputs to give back; all when empty.
            request_id: your id for the request: it comes back, and stands in the server's logs.
            routing_key: whose the request is (a user, a session): while versions share a model's requests, the same
                key gets the same version.
            timeout_seconds: for this call.

        Returns:
            The outputs by name.

        Raises:
            taxiway.errors.TaxiwayError: of the kind that the server, or the way to it, gave. InvalidArgument also when
                the inputs do not fit the signature.
        """
        target, deadline = _target(model, version, label), self._deadline(timeout_seconds)
        name = signature or DEFAULT_SIGNATURE
        found = _signature(self._latest_of(target, deadline), name)
        check_outputs(outputs, found)
        call = Call(
            target=target,
            signature=name,
            inputs=named_arrays(inputs, found),
            outputs=tuple(outputs),
            request_id=_checked(request_id, "a request id"),
            routing_key=_checked(routing_key, "a routing key"),
            signature_of=lambda answered: _signature(self._metadata_of(target, answered, deadline), name),
        )
        try:
            reply = self._transport.predict(call, deadline)
        except (InvalidArgument, FailedPrecondition, NotFound):
            # A newer version may take other inputs than the one we know of.
            self._forget(target)
            raise
        self._note(target, reply.version, deadline)
        return Answer(reply.outputs, model, reply.version, reply.request_id, reply.arm)

    def feedback(
        self,
        model: str,
        request_id: str,
        *,
        label: Label | Sequence[Label] | None = None,
        value: float | None = None,
        correct: bool | None = None,
        timeout_seconds: float | None = None,
    ) -> bool:
        """Say what became of an answer, for as long as the server remembers it: while a route shares requests out.

        Exactly one of the three is given.

        Args:
            model: the model that answered.
            request_id: the answer's ``request_id``.
            label: the right class, of each row where there are several: an index, a whole number, or a text.
            value: any number that the answer led to.
            correct: whether it was right, where its first output is no class.
            timeout_seconds: for this call.

        Returns:
            Whether it counts; what was said before does not count twice.

        Raises:
            NotFound: the server does not know the answer, or no longer.
            FailedPrecondition, InvalidArgument: the label cannot be compared with the answer.
        """
        judgement = Feedback(request_id, label, value, correct).judgement
        return self._transport.feedback(model, request_id, judgement, self._deadline(timeout_seconds))

    def feedback_many(
        self,
        model: str,
        feedbacks: Iterable[Feedback],
        *,
        at_once: int = 8,
        timeout_seconds: float | None = None,
    ) -> FeedbackCounts:
        """Say what became of many answers, several at once, as labels come that arrive as a file.

        Saying it all again after an error is safe: what was said before does not count twice.

        Args:
            model: the model that answered.
            feedbacks: taken one by one as they are sent, so that they need not be in memory together.
            at_once: how many are under way together, 1 to 64.
            timeout_seconds: for each.

        Returns:
            How many found their answer, and what became of the others: no answer is remembered, or they do not fit it.

        Raises:
            TaxiwayError: the server cannot be reached, or takes no feedback from us.
        """

        def give(one: Feedback) -> bool:
            return self._transport.feedback(model, one.request_id, one.judgement, self._deadline(timeout_seconds))

        return give_all(feedbacks, give, at_once)

    def status(
        self, model: str, *, version: int | None = None, timeout_seconds: float | None = None
    ) -> tuple[VersionStatus, ...]:
        """The versions of a model and how they do, newest first; one of them when ``version`` is given.

        Raises:
            NotFound: the server has no such model or version.
        """
        return self._transport.status(_target(model, version, None), self._deadline(timeout_seconds))

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Metadata:
        """What a version takes and gives: its signatures, as the server has them now.

        Raises:
            NotFound: the server has no such model or version.
        """
        return self._fetch(_target(model, version, label), self._deadline(timeout_seconds))

    def models(self, *, timeout_seconds: float | None = None) -> tuple[str, ...]:
        """The names of the models served.

        Raises:
            Unimplemented: over gRPC, which has no such call.
        """
        return self._transport.models(self._deadline(timeout_seconds))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._url!r})"

    def _deadline(self, timeout_seconds: float | None) -> Deadline:
        return Deadline(self._clock, self._timeout_seconds if timeout_seconds is None else timeout_seconds)

    def _latest_of(self, target: Target, deadline: Deadline) -> Metadata:
        return self._latest.get(target) or self._fetch(target, deadline)

    def _metadata_of(self, target: Target, version: int | None, deadline: Deadline) -> Metadata:
        """What the version that answered gives."""
        latest = self._latest_of(target, deadline)
        if version is None or version == latest.version:
            return latest
        known = self._known.get((target.model, version))
        if known is not None:
            return known
        try:
            return self._fetch(Target(target.model, version), deadline)
        except TaxiwayError:
            # It answered and is gone again, or the time is up. The answer is there; versions seldom differ in dtypes.
            return latest

    def _note(self, target: Target, version: int | None, deadline: Deadline) -> None:
        """Remember that a version answers for a target, so that the next call is made to fit it."""
        metadata = self._metadata_of(target, version, deadline)
        with self._lock:
            self._latest[target] = metadata

    def _fetch(self, target: Target, deadline: Deadline) -> Metadata:
        metadata = self._transport.metadata(target, deadline)
        with self._lock:
            if len(self._known) >= _MAX_VERSIONS_KNOWN:
                self._known.clear()
                self._latest.clear()
            self._latest[target] = metadata
            if metadata.version is not None:
                self._known[target.model, metadata.version] = metadata
        return metadata

    def _forget(self, target: Target) -> None:
        with self._lock:
            known = self._latest.pop(target, None)
            if known is not None and known.version is not None:
                self._known.pop((target.model, known.version), None)


def _transport(url: str, tls: Tls | None) -> Transport:
    address = address_of(url, tls)
    if address.protocol == "grpc":
        from taxiway.client.transports.grpc import GrpcTransport

        return GrpcTransport(address.target, address.tls)
    from taxiway.client.transports.rest import RestTransport

    return RestTransport(url, address.tls)


def _target(model: str, version: int | None, label: str | None) -> Target:
    if not model:
        raise InvalidArgument("ModelSpec has no name specified.", hint="Say which model to ask.")
    if version is not None and label is not None:
        raise InvalidArgument(f"Version {version} and label {label!r} are both given.", hint="Give one of them.")
    return Target(model, version, label)


def _signature(metadata: Metadata, name: str) -> Signature:
    found = metadata.signatures.get(name)
    if found is None:
        raise InvalidArgument(
            f'Serving signature name: "{name}" not found in signature def',
            hint=f"{metadata.model} has {', '.join(metadata.signatures) or 'no signatures'}.",
        )
    return found


def _checked(text: str | None, what: str) -> str | None:
    if text is not None and not _HEADER_TEXT.fullmatch(text):
        raise InvalidArgument(f"{text!r} cannot be {what}.", hint="Use 1 to 128 printable ASCII characters, no spaces.")
    return text
