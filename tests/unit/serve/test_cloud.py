"""Sources in object stores, looked at through a stand-in for Google's."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from taxiway.errors import Unavailable
from taxiway.publish import publish
from taxiway.serve.cloud import Cache, StoreSource, cache_root
from taxiway.serve.marks import Marks
from taxiway.serve.watching import sort_paths
from taxiway.settings import ServerSettings
from taxiway.stores import Shelf, open_store, uses
from taxiway.testing import FakeClock
from tests.unit.stores.gcs import GcsStandIn
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("patient_looks")
SETTINGS = ServerSettings(store_poll_seconds=1.0, quiet_seconds=5.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())


@pytest.fixture
def cache(tmp_path: Path, clock: FakeClock) -> Cache:
    return Cache(tmp_path / "cache", clock)


@pytest.fixture
def source(gcs: str, cache: Cache, clock: FakeClock) -> StoreSource:
    return StoreSource(f"{gcs}/m", SETTINGS, cache, clock)


def looked(source: StoreSource, clock: FakeClock) -> dict[int, str]:
    clock.advance(1.0)
    return {one.version: one.waiting for one in source.look().found}


def test_versions_are_found_when_their_mark_is_there(
    gcs: str,
    saved_model: Path,
    source: StoreSource,
    clock: FakeClock,
) -> None:
    publish(saved_model, "m", gcs)
    store = open_store(gcs)
    store.write("m/.taxiway/claims/2", b"someone")
    store.write("m/2/saved_model.pb", b"half")
    assert looked(source, clock) == {1: "", 2: "publishing: taxiway.json is not there yet"}
    assert source.look().found[0].path == f"{gcs}/m/1"


def test_a_bucket_is_not_asked_more_often_than_it_should(
    gcs: str,
    gcs_server: GcsStandIn,
    saved_model: Path,
    source: StoreSource,
    clock: FakeClock,
) -> None:
    for _ in range(3):
        publish(saved_model, "m", gcs)
    bucket = gcs.removeprefix("gs://").partition("/")[0]

    def calls() -> int:
        """So many came to this bucket; what an earlier test began may still ask about its own."""
        return sum(one.split()[1].partition("/")[0] == bucket for one in gcs_server.state.calls)

    looked(source, clock)
    before = calls()
    source.look()
    assert calls() == before, "it is not time yet"
    looked(source, clock)
    assert calls() == before + 1, "one listing tells that nothing is new"


def test_what_others_put_there_is_served_when_it_is_quiet(
    gcs: str,
    saved_model: Path,
    source: StoreSource,
    clock: FakeClock,
    cache: Cache,
) -> None:
    store = open_store(gcs)
    store.write("m/1/variables/variables.index", b"i")
    assert "no saved_model.pb" in looked(source, clock)[1]
    store.write("m/1/saved_model.pb", (saved_model / "saved_model.pb").read_bytes())
    assert "variables are not all there" in looked(source, clock)[1]
    store.write("m/1/variables/variables.data-00000-of-00001", b"w")
    assert "changed less than 5 s ago" in looked(source, clock)[1]
    for _ in range(5):
        waiting = looked(source, clock)
    assert waiting == {1: ""}
    local = Path(cache.bring(f"{gcs}/m/1"))
    assert (local / "variables" / "variables.index").read_bytes() == b"i"


def test_an_outage_leaves_what_was_seen(
    gcs: str,
    gcs_server: GcsStandIn,
    saved_model: Path,
    source: StoreSource,
    clock: FakeClock,
    cache: Cache,
) -> None:
    publish(saved_model, "m", gcs)
    looked(source, clock)
    cache.bring(f"{gcs}/m/1")
    with away(gcs_server):
        assert looked(source, clock) == {1: ""}
        assert "cannot be reached" in source.look().problem
        # Also for a server that has never seen the store, as far as its cache goes.
        fresh = StoreSource(f"{gcs}/m", SETTINGS, cache, clock)
        assert looked(fresh, clock) == {1: ""}
        assert Path(cache.bring(f"{gcs}/m/1")).is_dir()
        with pytest.raises(Unavailable):
            cache.bring(f"{gcs}/m/2")
    assert looked(source, clock) == {1: ""}
    assert source.look().problem == ""


def test_a_store_that_hangs_is_not_waited_for(
    source: StoreSource, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr("taxiway.serve.cloud._ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(StoreSource, "_found", lambda self: (answer.wait(PATIENCE_SECONDS), ())[1])
    assert source.look().problem == "the store has not answered yet"
    clock.advance(31.0)
    assert "does not answer" in source.look().problem
    answer.set()


def test_the_cache_keeps_what_is_used_and_the_newest(
    gcs: str,
    saved_model: Path,
    cache: Cache,
    clock: FakeClock,
) -> None:
    for version in range(1, 6):
        publish(saved_model, "m", gcs)
        cache.bring(f"{gcs}/m/{version}")
    folder = cache.folder(f"{gcs}/m")
    cache.tidy(f"{gcs}/m", {1})
    assert len(list(folder.glob("[0-9]"))) == 5, "they only just came"
    clock.advance(3600)
    cache.tidy(f"{gcs}/m", {1})
    assert sorted(path.name for path in folder.glob("[0-9]")) == ["1", "4", "5"]


def test_marks_are_written_where_taxiway_published_and_nowhere_else(
    gcs: str,
    saved_model: Path,
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    publish(saved_model, "m", gcs)
    publish(saved_model, "m", tmp_path / "models")
    (tmp_path / "plain" / "1").mkdir(parents=True)
    marks = Marks(clock)
    ours = [f"{gcs}/m", str(tmp_path / "models" / "m")]
    marks.renew({source: frozenset({1}) for source in [*ours, str(tmp_path / "plain")]})
    for source in ours:
        assert list(uses(Shelf(open_store(source), ""), clock.now())) == [1]
    assert [path.name for path in (tmp_path / "plain").iterdir()] == ["1"]
    marks.clear()
    # A look that was under way when the server stopped marks no more.
    marks.renew({source: frozenset({2}) for source in ours})
    for source in ours:
        assert uses(Shelf(open_store(source), ""), clock.now()) == {}


def test_a_url_is_told_apart_like_a_path(gcs: str, saved_model: Path) -> None:
    publish(saved_model, "m", gcs)
    assert sort_paths(gcs).roots == (gcs,)
    assert sort_paths(f"{gcs}/m/").models == {"m": f"{gcs}/m"}
    assert sort_paths({"other": f"{gcs}/m"}).models == {"other": f"{gcs}/m"}


def test_the_cache_is_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root(ServerSettings(cache="c", state="s")) == Path("c")
    assert cache_root(ServerSettings(state="s")) == Path("s/cache")
    assert cache_root(ServerSettings(state="postgresql://h/d")) == cache_root(ServerSettings(state=""))
    assert cache_root(ServerSettings(state="")) == tmp_path / "taxiway"


class away:
    """The stand-in answers nothing while the block lasts."""

    def __init__(self, server: GcsStandIn) -> None:
        self._state = server.state

    def __enter__(self) -> None:
        self._state.away = True

    def __exit__(self, *_: object) -> None:
        self._state.away = False
