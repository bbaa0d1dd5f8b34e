"""What artefacts are made of, however it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taxiway.artifacts import Source, located, published, signature_of
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.publish import publish
from taxiway.stores import Shelf, open_store, set_label
from taxiway.wire.saved_model import SAVED_MODEL_FILE
from tests.unit.artifacts.saved import STRING, Pretending, saved_model
from tests.unit.stores.clouds import gcs, gcs_server, s3, s3_server  # noqa: F401


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved_model(tmp_path / "m", {"x": (None, 4)}, {"y": (None, 3)})


def found(what: Any, store: Any = "models/") -> Source:
    with Pretending(dict) as workshop, located(what, store, workshop) as source:
        assert (source.directory / SAVED_MODEL_FILE).is_file()
        return source


def test_a_directory_is_itself_and_its_artefacts_go_into_it(model: Path) -> None:
    source = found(model)
    assert source == Source(model, "m", None, None, str(model), model / "artifacts")


@pytest.mark.parametrize("kind", ["directory", "s3", "gcs"])
def test_a_version_is_found_by_number_by_label_and_by_where_it_is(
    kind: str, model: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = str(tmp_path / "models") if kind == "directory" else str(request.getfixturevalue(kind))
    for _ in range(2):
        publish(model, "m", store)
    set_label(Shelf(open_store(store), "m"), "stable", 1)
    for what, version in (("m:1", 1), ("m:stable", 1), ("m", 2), (f"{store}/m/1", 1), (f"{store}/m/2", 2)):
        source = found(what, store)
        assert (source.model, source.version, source.said) == ("m", version, f"{store}/m/{version}")
        assert source.shelf is not None and source.shelf.manifest(version).version == version


def test_a_published_directory_that_was_copied_elsewhere_is_no_version_any_more(model: Path, tmp_path: Path) -> None:
    publish(model, "m", tmp_path / "models")
    (tmp_path / "models" / "m" / "1").rename(tmp_path / "copy")
    source = found(tmp_path / "copy")
    assert (source.model, source.version, source.shelf) == ("m", 1, None)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("none", "There is no version of none in models/"),
        ("none.keras", "There is no file none.keras"),
        ("no/where", "There is no directory no/where"),
        ("m:9", "There is no version 9"),
        ("m:none", "has no label none"),
        ("s3://bucket/m", "s3://bucket/m is no version"),
        ("gs://bucket/m/stable/", "gs://bucket/m/stable/ is no version"),
        ("s3://7", "s3://7 is no version"),
    ],
)
def test_what_is_not_there_is_told(
    what: str, said: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(model, "m", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=said):
        found(what)


def test_the_url_of_a_version_says_what_the_model_is_called(s3: str) -> None:  # noqa: F811
    shelf, number, name = published(f"{s3}/digits/12/", "models/")
    assert (str(shelf), number, name) == (f"{s3}/digits", 12, "digits")
    bucket = s3.removesuffix("/models")
    assert published(f"{bucket}/4", "models/")[1:] == (4, bucket.removeprefix("s3://"))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"holds no saved_model\.pb"):
        found(tmp_path)


def test_a_signature_with_texts_is_refused_with_one_that_has_none(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "t", {"text": (None,)}, {"y": (None, 3)}, dtypes={"text": STRING})
    source = Source(folder, "t", None, None, "t", folder)
    with pytest.raises(FailedPrecondition, match="Input 'text' of 'serving_default' is text, and LiteRT") as caught:
        signature_of(source, "serving_default", "LiteRT")
    assert "Export a signature of the numeric part" in str(caught.value.hint)
    with pytest.raises(NotFound, match="t has no signature 'ids'; it has serving_default"):
        signature_of(source, "ids", "LiteRT")


def test_an_input_without_rows_is_refused(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "s", {"x": ()}, {"y": (None,)})
    with pytest.raises(FailedPrecondition, match="Input 'x' of 'serving_default' has no rows"):
        signature_of(Source(folder, "s", None, None, "s", folder), "serving_default", "LiteRT")
