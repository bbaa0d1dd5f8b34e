"""Pages that are there, tried again: whose they are, what they are held to, and what becomes of the report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts import located
from taxiway.browser import verify
from taxiway.browser.build import Wish, build_of, contract_of
from taxiway.browser.tried import Runtimes
from taxiway.errors import DataLoss, FailedPrecondition, NotFound
from taxiway.publish import publish
from tests.unit.artifacts.saved import Pretending, saved_model
from tests.unit.browser.pages import ROWS, Runs, opened, scores, source_of, vendored
from tests.unit.stores.clouds import s3, s3_server  # noqa: F401

# The function has the module's name.
MODULE = sys.modules["taxiway.browser.verify"]


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pretending]:
    """Trying pages answers as the model does, unless a test says otherwise."""
    with Pretending(scores) as shared:
        monkeypatch.setattr(MODULE, "Workshop", lambda: Pretending(scores))
        monkeypatch.setattr("taxiway.browser.npm.find", lambda: vendored(tmp_path / "packages"))
        monkeypatch.setattr(MODULE, "runtimes", opened(Runs("node")))
        yield shared


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.savez(tmp_path / "rows.npz", x=ROWS)
    return saved_model(tmp_path / "m", {"x": (None, 4)}, {"scores": (None, 3)})


@pytest.fixture
def built(workshop: Pretending, model: Path, tmp_path: Path) -> Callable[..., str]:
    """Builds a page of the model, or of a version in a store, and says where it is."""

    def make(out: Path | None = None, store: str = "", weights: Any = "float32") -> str:
        wish = Wish("serving_default", contract_of("agreement>=0.98", weights), weights, out=out)
        from taxiway.artifacts import asked_rows, signature_of

        def page(source: Any) -> str:
            asked = ("serving_default", signature_of(source, "serving_default", "TensorFlow.js"))
            rows = asked_rows(workshop, source, asked, wish.contract, tmp_path / "rows.npz", None)
            packages = vendored(tmp_path / "packages")
            return build_of(workshop, source, wish, packages, rows=rows, where=Runtimes([Runs("wasm")])).place

        if not store:
            return page(source_of(model))
        publish(model, "m", store)
        with located("m", store, workshop) as source:
            return page(source)

    return make


def test_a_page_is_asked_what_its_report_says_and_the_report_is_written_anew(
    built: Callable[..., str], tmp_path: Path
) -> None:
    folder = Path(built(tmp_path / "page"))
    found = verify(folder, backends=["node"])
    document = json.loads((folder / "report.json").read_text())
    assert found.place == str(folder) and document["contract"]["min_agreement"] == 0.98
    assert document["rows"] == 320 and document["data"] == str(tmp_path / "rows.npz")
    # It says where the latency is from now, and not where building had it from.
    assert document["measured"].startswith("one row, in Node ")
    assert document == {**found.report.as_json()}


def test_a_page_that_answers_otherwise_is_said_to_break_its_contract(
    built: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(tmp_path / "page")
    shifted = Runs("wasm", lambda x: {"scores": np.roll(scores(x)["scores"], 1, axis=1)})
    monkeypatch.setattr(MODULE, "runtimes", opened(shifted))
    found = verify(folder, backends=["wasm"])
    (one,) = found.report.variants
    assert found.place == "" and not one.kept and "rows agree" in one.reason


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_the_page_of_a_version_is_held_to_that_version_and_stays_as_it_is(
    built: Callable[..., str], kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = str(tmp_path / "models") if kind == "directory" else str(request.getfixturevalue("s3"))
    place = built(store=store)
    from taxiway.stores import Shelf, open_store

    before = Shelf(open_store(store), "m").manifest(1)
    for what in ("m", "m:1", place, *([f"{store}/m/1"] if kind == "s3" else [])):
        found = verify(what, store=store, data=tmp_path / "rows.npz", backends=["node"])
        assert found.place == (place if what == place and kind == "directory" else f"{store}/m/1")
        assert (found.report.model, found.report.version) == ("m", 1)
    assert Shelf(open_store(store), "m").manifest(1) == before


def test_a_page_of_its_own_finds_its_original_in_a_bucket(
    built: Callable[..., str],
    s3: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    folder = Path(built(tmp_path / "page", store=s3))
    assert json.loads((folder / "report.json").read_text())["source"] == f"{s3}/m/1"
    assert verify(folder, backends=["node"]).place == str(folder)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no/page", "There is no directory no/page"),
        ("m", "There is no version of m in models/"),
        ("s3://bucket/m/latest", "s3://bucket/m/latest is no version"),
        ("s3://3", "s3://3 is no version"),
    ],
)
def test_what_is_not_there_is_told(
    workshop: Pretending, what: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=said):
        verify(what)


def test_a_version_without_a_page_is_told(workshop: Pretending, model: Path, tmp_path: Path) -> None:
    publish(model, "m", tmp_path / "models")
    with pytest.raises(NotFound, match="m/1 has no page") as caught:
        verify("m:1", store=tmp_path / "models")
    assert caught.value.hint == "taxiway browser build makes one."


def test_a_page_without_a_report_needs_to_be_told_what_it_is_of(
    built: Callable[..., str], model: Path, tmp_path: Path
) -> None:
    folder = Path(built(tmp_path / "page"))
    (folder / "report.json").unlink()
    with pytest.raises(NotFound, match="says what it was made of") as caught:
        verify(folder)
    assert "--against" in (caught.value.hint or "")
    found = verify(folder, against=model, data=tmp_path / "rows.npz", backends=["node"])
    assert found.report.variants[0].name == "as found" and (folder / "report.json").is_file()
    (folder / "report.json").write_text("{")
    with pytest.raises(DataLoss, match="is not JSON"):
        verify(folder)


def test_with_nothing_to_try_it_on_the_report_stays(
    built: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(built(tmp_path / "page"))
    before = (folder / "report.json").read_bytes()
    monkeypatch.setattr(MODULE, "runtimes", opened(wasm=FailedPrecondition("There is no Chromium.")))
    with pytest.raises(FailedPrecondition, match="nothing to try it on: .*There is no Chromium"):
        verify(folder)
    assert (folder / "report.json").read_bytes() == before
