"""Two versions share a model's requests: who is led where, and what is known of it afterwards."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import taxiway
from taxiway.cli.main import main
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound, TaxiwayError
from taxiway.serve.server import NativeDataPlane, load_spec
from taxiway.settings import ModelSettings, ServerSettings
from taxiway.types import JsonObject
from tests.routes import REFUSED, plans, routes
from tests.waiting import eventually

pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
pytestmark = pytest.mark.tensorflow

MODEL = "half_plus_two"
INPUTS = {"x": np.zeros(1, np.float32)}
Y = {1: 2.0, 2: 3.0}


@dataclass
class Shared:
    """A data plane with both versions of a model, version 1 its default."""

    plane: NativeDataPlane
    urls: dict[str, str]
    ids: dict[int, int]

    def publish(self, route: JsonObject | None) -> None:
        entry = {
            "default": 1, "versions": {str(version): number for version, number in self.ids.items()}, "labels": {},
            "ready": True, "reason": "", "statuses": [], "route": route,
        }  # fmt: skip
        self.plane.publish({"models": {MODEL: entry}, "labels_used": False, "ready": True, "reason": ""})

    def arm(self, name: str) -> dict[str, Any]:
        outcomes = self.plane.outcomes(MODEL)
        assert outcomes is not None
        (found,) = (arm for arm in outcomes["arms"] if arm["arm"] == name)
        return dict(found)


@pytest.fixture(scope="module")
def shared(real_models: Path) -> Iterator[Shared]:
    settings = ServerSettings(rest_port=0, grpc_port=0, io_threads=2, compute_threads=1)
    plane = NativeDataPlane(settings)
    addresses = plane.start()
    spec = load_spec(settings)
    loaded = {
        version: plane.load(spec(MODEL, version, str(real_models / MODEL / str(version)), ModelSettings(source="")))
        for version in (1, 2)
    }
    urls = {"rest": f"http://{addresses['rest']}", "grpc": f"grpc://{addresses['grpc']}"}
    yield Shared(plane, urls, {version: one.id for version, one in loaded.items()})
    plane.stop(10)


def canary(experiment: str, share_ppm: int, **changes: Any) -> JsonObject:
    return {
        "experiment": experiment,
        "salt": "salt",
        "key": {"header": "x-routing-key"},
        "slow_us": {"p95": 60_000_000},
        "arms": [
            {"name": "canary", "version": 2, "share_ppm": share_ppm},
            {"name": "control", "version": 1, "share_ppm": share_ppm},
        ],
        **changes,
    }


def test_both_protocols_lead_a_user_to_the_same_version(shared: Shared) -> None:
    shared.publish(canary("sticky", 300_000))
    arms: Counter[str | None] = Counter()
    with taxiway.Client(shared.urls["rest"]) as rest, taxiway.Client(shared.urls["grpc"]) as grpc:
        for user in range(40):
            answers = [client.predict(MODEL, INPUTS, routing_key=f"user-{user}") for client in (rest, grpc, rest)]
            assert len({(answer.arm, answer.version) for answer in answers}) == 1
            answer = answers[0]
            assert answer.version == (2 if answer.arm == "canary" else 1)
            assert answer["y"] == [Y[answer.version]]
            assert all(answer.request_id for answer in answers)
            arms[answer.arm] += 3
    assert set(arms) == {"canary", "control", "stable"}
    for name, count in arms.items():
        counted = shared.arm(str(name))
        assert counted["answered"] == counted["assigned"] == counted["latency"]["count"] == count
        assert counted["codes"] == {"OK": count}
        assert counted["bad"] == {"errors": 0, "p95": 0}
    assert shared.arm("canary")["units"] == arms["canary"] / 3


def test_a_share_grows_and_going_back_is_one_table(shared: Shared) -> None:
    users = [f"user-{user}" for user in range(60)]
    with taxiway.Client(shared.urls["rest"]) as client:

        def on_new() -> set[str]:
            return {user for user in users if client.predict(MODEL, INPUTS, routing_key=user).version == 2}

        before: set[str] = set()
        for share_ppm in (50_000, 250_000, 500_000):
            shared.publish(canary("growing", share_ppm))
            after = on_new()
            assert before <= after
            before = after
        assert len(before) > 15
        shared.publish(None)
        assert on_new() == set()
    outcomes = shared.plane.outcomes(MODEL)
    assert outcomes is not None
    assert [phase["arms"][0]["share_ppm"] for phase in outcomes["phases"]] == [50_000, 250_000, 500_000]
    assert sum(arm["assigned"] for phase in outcomes["phases"] for arm in phase["arms"]) == 180


def test_who_names_a_version_gets_it_and_a_wrong_route_changes_nothing(shared: Shared) -> None:
    shared.publish(canary("named", 500_000))
    with pytest.raises(InvalidArgument, match="over 100 %"):
        shared.publish(canary("named", 600_000))
    with pytest.raises(InvalidArgument, match="version 7, which is not served"):
        shared.publish(canary("named", 0, arms=[{"name": "canary", "version": 7, "share_ppm": 1}]))
    for url in shared.urls.values():
        with taxiway.Client(url) as client:
            for version in (1, 2):
                answer = client.predict(MODEL, INPUTS, version=version, routing_key="anyone")
                assert (answer.version, answer.arm) == (version, None)
            assert client.metadata(MODEL).version == 1
            assert client.predict(MODEL, INPUTS, routing_key="anyone").arm is not None


def test_no_request_fails_while_routes_change_a_hundred_times(shared: Shared) -> None:
    shared.publish(canary("changing", 10))
    done, failures, asked = threading.Event(), list[Exception](), Counter[str]()

    def ask(url: str) -> None:
        with taxiway.Client(url, retries=0) as client:
            while not done.is_set():
                try:
                    answer = client.predict(MODEL, INPUTS)
                    assert answer["y"] == [Y[answer.version or 0]]
                    asked[url] += 1
                except (TaxiwayError, AssertionError) as error:
                    failures.append(error)
                    return

    threads = [threading.Thread(target=ask, args=(url,)) for url in shared.urls.values()]
    for thread in threads:
        thread.start()
    for change in range(100):
        shared.publish(canary("changing", 5000 * change) if change % 10 else None)
        before = asked.total()
        while asked.total() == before and not failures:
            done.wait(0.001)
    done.set()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for name in ("canary", "control", "stable"):
        arm = shared.arm(name)
        assert arm["codes"].get("OK", 0) == arm["answered"] == arm["assigned"]


def test_what_came_of_an_answer_finds_its_arm_over_both_protocols(shared: Shared) -> None:
    shared.publish(canary("feedback", 500_000))
    for number, url in enumerate(shared.urls.values()):
        with taxiway.Client(url) as client:
            for user in range(6):
                answer = client.predict(MODEL, INPUTS, routing_key=f"user-{user}")
                assert answer.request_id is not None
                assert client.feedback(MODEL, answer.request_id, value=float(answer["y"][0]))
                assert client.feedback(MODEL, answer.request_id, correct=answer.version == 2)
                assert not client.feedback(MODEL, answer.request_id, correct=True)
            # HTTP has one status for both.
            with pytest.raises((FailedPrecondition, InvalidArgument), match="is no class"):
                client.feedback(MODEL, client.predict(MODEL, INPUTS).request_id or "", label=1)
            with pytest.raises(NotFound, match="is remembered"):
                client.feedback(MODEL, f"unknown-{number}", label="cat")
            with pytest.raises(InvalidArgument, match="exactly one"):
                client.feedback(MODEL, "id", label=1, correct=True)
    new, old = shared.arm("canary"), shared.arm("control")
    assert new["judged"] + old["judged"] == 12
    assert (new["wrong"], old["right"]) == (0, 0)
    for arm, y in ((new, Y[2]), (old, Y[1])):
        count = arm["judged"]
        assert arm["goal"] == {"count": count, "origin": y if count else None, "sum": 0.0, "sum_squares": 0.0}


def test_labels_that_arrive_as_a_file_find_their_arms(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared.publish(canary("labels", 500_000))
    with taxiway.Client(shared.urls["rest"]) as client:
        answers = [client.predict(MODEL, INPUTS, routing_key=f"user-{user}") for user in range(8)]
    rows = [f"{answer.request_id},{answer.version == 2}" for answer in answers]
    for url, part in zip(shared.urls.values(), (rows[:4], rows[4:]), strict=True):
        (tmp_path / "labels.csv").write_text("\n".join(["request_id,correct", *part, "long-ago,true", "odd"]))
        assert main(["feedback", MODEL, "--input", str(tmp_path / "labels.csv"), "--server", url, "--json"]) == 0
        counts = json.loads(capsys.readouterr().out)
        assert (counts["joined"], counts["unknown"], counts["malformed"]) == (4, 1, 1)
    new, old = shared.arm("canary"), shared.arm("control")
    assert (new["right"], new["wrong"], old["right"], old["wrong"]) == (new["answered"], 0, 0, old["answered"])
    assert new["answered"] + old["answered"] == 8


def test_a_shadow_is_compared_behind_the_answers(shared: Shared) -> None:
    shared.publish(canary("shadow", 0, arms=[], shadow={"version": 2, "share_ppm": 1_000_000}))
    with taxiway.Client(shared.urls["rest"]) as client:
        answers = [client.predict(MODEL, {"x": np.array([0, number], np.float32)}) for number in range(10)]
    assert {(answer.version, answer.arm) for answer in answers} == {(1, None)}

    def counted() -> JsonObject:
        outcomes = shared.plane.outcomes(MODEL)
        assert outcomes is not None
        (shadow,) = outcomes["shadows"]
        return dict(shadow)

    # One count grows after another.
    wanted = {"sampled": 10, "dropped": 0, "codes": {"OK": 10}, "compared": 10, "rows": 20, "differing_rows": 20}
    wanted["largest_difference"] = 1.0
    eventually(lambda: wanted == {name: counted()[name] for name in wanted}, instead=counted)
    assert {one["request_id"] for one in counted()["worst"]} <= {answer.request_id for answer in answers}


@pytest.mark.parametrize("wrong", [route for _, route in REFUSED.values()], ids=list(REFUSED))
def test_what_no_rollout_may_begin_with_is_refused_here_too(shared: Shared, wrong: JsonObject) -> None:
    with pytest.raises(TaxiwayError):
        shared.publish({**canary("refused", 0, arms=[]), **wrong})


def test_what_a_rollout_may_begin_with_is_never_refused_here(shared: Shared) -> None:
    begun: Counter[bool] = Counter()

    @given(values=plans())
    @settings(max_examples=150, deadline=None, derandomize=True)
    def begin(values: dict[str, Any]) -> None:
        begun[True] += 1
        try:
            allowed = routes(values, str(begun[True]))
        except TaxiwayError:
            begun[False] += 1
            return
        for route in allowed:
            # Two versions are there; which one an arm is led to has nothing to do with its place.
            arms = [{**arm, "version": min(max(arm["version"], 1), 2)} for arm in route["arms"]]
            shared.publish({**route, "arms": arms})

    begin()
    assert 20 < begun[False] < begun[True] - 20
