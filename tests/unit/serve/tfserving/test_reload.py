from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from taxiway.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound, TaxiwayError
from taxiway.serve.tfserving.model_config import ModelEntry, transition
from taxiway.serve.tfserving.poll import ConfigPoller
from taxiway.serve.tfserving.reload import Policy, Reloader, Unserved, did_not_become_available
from taxiway.wire import message
from tests.waiting import PATIENCE_SECONDS

BROKEN = NotFound("Could not find SavedModel")


class FakeRoster:
    """Models that load at once: version 1 of each, none of those in ``broken``, never those in ``slow``."""

    def __init__(self, broken: Iterable[str] = (), slow: Iterable[str] = ()) -> None:
        self.broken, self.slow = set(broken), set(slow)
        self.wanted: list[tuple[str, ...]] = []
        self.waited: list[tuple[list[str], float | None]] = []

    def want(self, models: tuple[ModelEntry, ...]) -> None:
        self.wanted.append(tuple(model.name for model in models))

    def wait(self, names: Iterable[str], timeout_seconds: float | None) -> list[Unserved] | None:
        names = list(names)
        self.waited.append((names, timeout_seconds))
        if self.slow & set(names):
            return None
        return [Unserved(name, 1, BROKEN) for name in names if name in self.broken]

    def available(self) -> dict[str, set[int]]:
        return {name: {1} for name in (self.wanted or [()])[-1] if name not in self.broken | self.slow}


def config(*names: str, labels: str = "") -> Any:
    models = "".join(
        f'config {{ name: "{name}" base_path: "/m/{name}" model_platform: "tensorflow" {labels} }}' for name in names
    )
    text = f"model_config_list {{ {models} }}"
    return text_format.Parse(text, message("tensorflow.serving.ModelServerConfig")())


def started(roster: FakeRoster, *names: str, **policy: Any) -> Reloader:
    reloader = Reloader(
        roster,
        ["tensorflow"],
        Policy(**{"strict": False, "allow_labels_for_unavailable": False, "timeout_seconds": 5.0} | policy),
    )
    reloader.start(transition(None, config(*names), ["tensorflow"]) if names else None)
    return reloader


def in_force(reloader: Reloader) -> list[str]:
    return [model.name for model in reloader.models]


@pytest.mark.tfs("reload-replaces")
def test_a_reload_replaces_the_whole_list_and_adds_before_it_removes() -> None:
    roster = FakeRoster()
    reloader = started(roster, "a", "b")
    reloader.reload(config("c", "b"))
    assert roster.wanted == [("a", "b"), ("a", "b", "c"), ("c", "b")]
    assert roster.waited == [(["a", "b"], None), (["c"], 5.0)]
    assert in_force(reloader) == ["c", "b"]


def test_models_that_stay_are_not_waited_for() -> None:
    roster = FakeRoster()
    started(roster, "a").reload(config("a"))
    assert roster.waited == [(["a"], None)]


@pytest.mark.tfs("reload-failure")
def test_a_new_model_that_fails_leaves_the_old_config() -> None:
    roster = FakeRoster(broken=["c", "d"])
    reloader = started(roster, "a")
    with pytest.raises(TaxiwayError) as caught:
        reloader.reload(config("c", "d"))
    reason = "due to error: NOT_FOUND: Could not find SavedModel"
    assert (caught.value.kind, caught.value.message) == (
        "UNKNOWN",
        (
            "2 model(s) did not become available: "
            f"{{{{{{name: c version: 1}} {reason}}}, {{{{name: d version: 1}} {reason}}}, }}"
        ),
    )
    assert roster.wanted[-1] == ("a",) and in_force(reloader) == ["a"]
    reloader.reload(config("b"))
    assert in_force(reloader) == ["b"]


def test_a_new_model_that_takes_too_long_leaves_the_old_config() -> None:
    roster = FakeRoster(slow=["c"])
    reloader = started(roster, "a")
    with pytest.raises(DeadlineExceeded, match="^c did not become available within 5 seconds$"):
        reloader.reload(config("a", "c"))
    assert roster.wanted[-1] == ("a",) and in_force(reloader) == ["a"]


def test_a_config_that_is_refused_touches_nothing() -> None:
    roster = FakeRoster()
    reloader = started(roster, "a")
    with pytest.raises(InvalidArgument, match="Illegal to list model b multiple times in config list"):
        reloader.reload(config("b", "b"))
    assert roster.wanted == [("a",)] and in_force(reloader) == ["a"]


def test_strict_keeps_the_new_config_of_a_reload_that_failed() -> None:
    roster = FakeRoster(broken=["c"])
    reloader = started(roster, "a", strict=True, timeout_seconds=None)
    with pytest.raises(TaxiwayError, match="1 model\\(s\\) did not become available"):
        reloader.reload(config("c"))
    assert roster.wanted == [("a",), ("c",)] and roster.waited[-1] == (["c"], None)
    assert in_force(reloader) == ["c"]


LABEL = 'version_labels {{ key: "stable" value: {} }}'


@pytest.mark.tfs("label-first")
def test_labels_of_a_first_config_wait_for_their_version(caplog: pytest.LogCaptureFixture) -> None:
    roster = FakeRoster()
    reloader = started(roster)
    reloader.reload(config("a", labels=LABEL.format(1)))
    assert in_force(reloader) == ["a"]
    other = started(FakeRoster())
    other.start(transition(None, config("a", labels=LABEL.format(2)), ["tensorflow"]))
    assert "Label stable of model a points to version 2, which does not serve yet." in caplog.text


@pytest.mark.tfs("label-first")
def test_strict_refuses_labels_of_a_first_config() -> None:
    reloader = started(FakeRoster(), strict=True)
    with pytest.raises(FailedPrecondition, match="^Request to assign label to version 1 of model a, which is not"):
        reloader.start(transition(None, config("a", labels=LABEL.format(1)), ["tensorflow"]))
    assert in_force(reloader) == []


@pytest.mark.tfs("label-available")
@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_a_label_of_a_version_that_does_not_serve_is_refused(names: tuple[str, ...]) -> None:
    roster = FakeRoster()
    reloader = started(roster, "a")
    with pytest.raises(FailedPrecondition, match="^Request to assign label to version 2 of model a, which is not"):
        reloader.reload(config(*names, labels=LABEL.format(2)))
    assert roster.wanted == [("a",)]


def test_a_label_of_a_new_model_is_checked_after_its_load() -> None:
    roster = FakeRoster()
    reloader = started(roster, "a")
    with pytest.raises(FailedPrecondition, match="version 2 of model b"):
        reloader.reload(config("b", labels=LABEL.format(2)))
    assert roster.wanted[-1] == ("a",) and in_force(reloader) == ["a"]


@pytest.mark.tfs("label-flag")
def test_the_flag_allows_labels_not_in_use() -> None:
    reloader = started(FakeRoster(), "a", allow_labels_for_unavailable=True)
    reloader.reload(config("a", labels=LABEL.format(2)))
    with pytest.raises(FailedPrecondition):
        reloader.reload(config("a", labels=LABEL.format(3)))


def request(of: Any, *metrics: str) -> bytes:
    return bytes(message("tensorflow.serving.ReloadConfigRequest")(config=of, metric_names=metrics).SerializeToString())


@pytest.mark.tfs("reload-status", "reload-metrics")
def test_the_call_answers_ok_and_how_far_counters_went() -> None:
    counts = iter([10, 0, 12, 0])
    answer = started(FakeRoster(), "a").handle(request(config("b"), "/x", "/none"), lambda name: next(counts))
    response = message("tensorflow.serving.ReloadConfigResponse").FromString(answer)
    assert (response.status.error_code, response.status.error_message) == (0, "")
    assert [(one.name, one.int64_value_increase) for one in response.metric] == [("/x", 2), ("/none", 0)]


@pytest.mark.tfs("reload-kinds")
@pytest.mark.parametrize("text", ["", "custom_model_config {}"])
def test_the_call_takes_lists_only(text: str) -> None:
    of = text_format.Parse(text, message("tensorflow.serving.ModelServerConfig")())
    with pytest.raises(InvalidArgument) as caught:
        started(FakeRoster(), "a").handle(request(of))
    assert caught.value.message == (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
    )


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="not a ReloadConfigRequest"):
        started(FakeRoster(), "a").handle(b"\xff\xff")


@pytest.mark.tfs("reload-waits")
def test_reloads_take_turns() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Waiting(FakeRoster):
        def wait(self, names: Iterable[str], timeout_seconds: float | None) -> list[Unserved] | None:
            names = list(names)
            if "b" in names:
                entered.set()
                assert go_on.wait(PATIENCE_SECONDS)
            return super().wait(names, timeout_seconds)

    roster = Waiting()
    reloader = started(roster, "a")
    first = threading.Thread(target=reloader.reload, args=[config("a", "b")])
    second = threading.Thread(target=reloader.reload, args=[config("a", "b", "c")])
    first.start()
    assert entered.wait(PATIENCE_SECONDS)
    second.start()
    assert roster.wanted[-1] == ("a", "b")
    go_on.set()
    first.join(PATIENCE_SECONDS)
    second.join(PATIENCE_SECONDS)
    assert in_force(reloader) == ["a", "b", "c"]
    assert roster.waited[-1][0] == ["c"]


def test_the_sentence_of_a_server_that_cannot_start() -> None:
    assert did_not_become_available("servable(s)", [Unserved("a", 3, BROKEN)]) == (
        "1 servable(s) did not become available: "
        "{{{name: a version: 3} due to error: NOT_FOUND: Could not find SavedModel}, }"
    )


class StepClock:
    """A clock whose waits end when the test says so: one permit, one interval."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    def wait(self, event: threading.Event, timeout_seconds: float | None) -> bool:
        assert timeout_seconds == 7
        self.waiting.release()
        self.permits.acquire()
        return event.is_set()


def write(path: Path, *names: str) -> None:
    models = "".join(f'config {{ name: "{n}" base_path: "/m/{n}" model_platform: "tensorflow" }}' for n in names)
    path.write_text(f"model_config_list {{ {models} }}")


@pytest.mark.tfs("file-poll")
def test_the_file_is_applied_at_each_interval_until_stopped(tmp_path: Path) -> None:
    path, clock, roster = tmp_path / "models.config", StepClock(), FakeRoster()
    reloader = started(roster, "a")
    poller = ConfigPoller(str(path), 7, reloader, clock)
    poller.start()
    for names in (["a", "b"], ["b"]):
        assert clock.waiting.acquire(timeout=PATIENCE_SECONDS)
        write(path, *names)
        clock.permits.release()
        assert clock.waiting.acquire(timeout=PATIENCE_SECONDS)
        assert in_force(reloader) == names
        clock.waiting.release()
    poller.stop()
    clock.permits.release()
    poller._thread.join(PATIENCE_SECONDS)
    assert not poller._thread.is_alive()


@pytest.mark.tfs("file-poll")
@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("model_config_list {", "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:19: "),
        ("model_config_list {", "Failed to read ModelServerConfig file: Invalid protobuf file: '"),
        (None, "Failed to read ModelServerConfig file: "),
        ("", "Failed to read ModelServerConfig file: "),
        ("# nothing", "PollFilesystemAndReloadConfig failed to ReloadConfig: Cannot transition to requested config."),
        ('model_config_list { config { name: "b" base_path: "b" } }', "Expected model b to have an absolute path"),
    ],
)
def test_a_file_with_an_error_is_logged_and_changes_nothing(
    tmp_path: Path, text: str | None, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "models.config"
    if text is not None:
        path.write_text(text)
    roster = FakeRoster()
    reloader = started(roster, "a")
    ConfigPoller(str(path), 7, reloader, StepClock()).poll()
    assert logged in caplog.text
    assert in_force(reloader) == ["a"] and roster.wanted == [("a",)]


def test_a_fault_in_one_reading_does_not_end_the_polling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "models.config", StepClock()
    write(path, "a")

    class Faulty(FakeRoster):
        def want(self, models: object) -> None:
            raise RuntimeError("a fault")

    roster = FakeRoster()
    reloader = started(roster, "a")
    reloader._roster = Faulty()
    poller = ConfigPoller(str(path), 7, reloader, clock)
    poller.start()
    for _ in range(2):
        assert clock.waiting.acquire(timeout=PATIENCE_SECONDS)
        clock.permits.release()
    assert clock.waiting.acquire(timeout=PATIENCE_SECONDS)
    assert caplog.text.count("RuntimeError: a fault") == 2
    poller.stop()
    clock.permits.release()
