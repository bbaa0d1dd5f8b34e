"""REST as its OpenAPI document describes it: schemathesis makes the requests, valid and invalid, and checks answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks

from taxiway.serve.openapi import document
from tests.fuzz.tally import Tally
from tests.fuzz.target import HANG_SECONDS, MODELS, Target

# Requests by body are the ones with much to get wrong.
BODY_WEIGHT = 8
CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
# Making the first case of an operation takes long, so a run smaller than this leaves out the paths that differ from
# others in how they name the version only.
SMALL = 2000


def fuzz(target: Target, requests_wanted: int, number: int, tally: Tally) -> None:
    """Send about so many requests: each that is made goes where it says, and then to every model there is."""
    schema = schemathesis.openapi.from_dict(document())
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    if requests_wanted < SMALL:
        operations = [one for one in operations if not re.search("{(version|label)}", one.path)]
    weights = [BODY_WEIGHT if operation.method == "post" else 1 for operation in operations]
    with requests.Session() as session:
        for operation, weight in zip(operations, weights, strict=True):
            sent = 1 + (len(MODELS) if "{model}" in operation.path else 0)
            modes = _modes(operation)
            cases = max(1, requests_wanted * weight // sum(weights) // sent // len(modes))
            for mode in modes:
                _explore(operation, mode, (cases, number), lambda case: _send(target, session, case, tally))


def _modes(operation: Any) -> list[Any]:
    """Valid requests; invalid ones too where there are any: every text is a name."""
    has_invalid = operation.method == "post" or "{version}" in operation.path
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if has_invalid else [GenerationMode.POSITIVE]


def _explore(operation: Any, mode: GenerationMode, how: tuple[int, int], send: Callable[[Any], None]) -> None:
    """Call ``send`` with so many cases; ``how`` is their number and the seed."""
    cases, number = how

    @seed(number)
    @settings(
        max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def explore(case: Any) -> None:
        send(case)

    explore()


def _send(target: Target, session: requests.Session, case: Any, tally: Tally) -> None:
    _call(target, session, case, tally)
    if "model" not in case.path_parameters:
        return
    for model in MODELS:
        case.path_parameters["model"] = model
        if "version" in case.path_parameters:
            case.path_parameters["version"] = 1
        if "label" in case.path_parameters:
            case.path_parameters["label"] = "stable"
        _call(target, session, case, tally)


def _call(target: Target, session: requests.Session, case: Any, tally: Tally) -> None:
    operation = case.operation.label

    def reproducer() -> str:
        return str(case.as_curl_command())

    try:
        response = case.call(base_url=target.url, session=session, timeout=HANG_SECONDS)
    except requests.RequestException as error:
        tally.unanswered(operation, repr(error), reproducer)
        return
    tally.answered(operation, str(response.status_code), _error(response), reproducer)
    try:
        response.content.decode()
    except UnicodeDecodeError:
        return  # strings of a model go out as they are; TensorFlow Serving has it so, and it is no JSON for a checker
    try:
        case.validate_response(response, checks=list(CHECKS))
    except (Failure, FailureGroup) as wrong:
        tally.wrong(operation, f"{response.status_code} is not as described: {wrong}", reproducer)


def _error(response: Any) -> str:
    """The text of an error; what stands in its place when the body is none."""
    if response.status_code < 400:
        return ""
    try:
        body = response.json()
        return str(body.get("error", body))
    except (ValueError, AttributeError):
        return str(response.content[:200])
