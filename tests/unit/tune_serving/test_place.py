"""Where a model may be, and what the settings file is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.testing.clock import FakeClock
from taxiway.tune_serving import api, place
from taxiway.tune_serving.candidate import Candidate
from taxiway.tune_serving.options import Options
from taxiway.tune_serving.place import Placed, placed
from taxiway.tune_serving.search import Choice, Trial
from taxiway.tune_serving.trials import Trials
from taxiway.wire.signatures import Signature, TensorSpec


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """``models/m`` with version 2 for TensorFlow and 10 for both engines."""
    for version, files in ((2, ["saved_model.pb"]), (10, ["saved_model.pb", "model.tflite"])):
        folder = tmp_path / "models" / "m" / str(version)
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).touch()
    return tmp_path / "models"


def test_a_model_its_version_and_any_directory_with_a_model_can_be_given(models: Path) -> None:
    with placed(str(models / "m"), "none") as found:
        assert (found.name, found.version, found.source) == ("m", 10, str(models / "m"))
        assert found.engines == ("tensorflow", "litert")
        assert [one.name for one in found.base.iterdir()] == ["10"] and (found.base / "10" / "model.tflite").is_file()
    assert not found.base.exists() and (models / "m" / "10" / "model.tflite").is_file()
    with placed(str(models / "m" / "2"), "none", ("tensorflow",)) as found:
        assert (found.name, found.version, found.engines) == ("m", 2, ("tensorflow",))
    exported = models.parent / "exported"
    (models / "m" / "10").rename(exported)
    with placed(str(exported), "none") as found:
        assert (found.name, found.version, found.source) == ("exported", 1, "")


def test_a_litert_file_that_cannot_be_made_is_told(models: Path) -> None:
    with placed(str(models / "m" / "2"), "none") as found:
        assert (found.engines, found.has_graph) == (("tensorflow",), True)
        (note,) = found.notes
        assert note.startswith("LiteRT was not tried: ")
    alone = placed(str(models / "m" / "2"), "none", ("litert",))
    with pytest.raises(InvalidArgument, match="m runs on tensorflow only"), alone:
        pass


def test_litert_is_tried_with_a_file_made_for_it(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = models.parent / "made"
    made.mkdir()
    for file in ("saved_model.pb", "model.tflite"):
        (made / file).touch()
    seen: list[object] = []

    @contextmanager
    def with_litert(directory: Path, data: object) -> Iterator[tuple[Path, dict[str, str]]]:
        seen.append(data)
        yield made, {"file": "model.tflite"}

    monkeypatch.setattr("taxiway.publish.optimize.with_litert", with_litert)
    monkeypatch.setattr(place, "find_spec", lambda _: True)
    with placed(str(models / "m" / "2"), "none", data="rows") as found:
        assert found.engines == ("tensorflow", "litert") and seen == ["rows"]


def test_litert_alone_is_written_only_where_there_is_no_savedmodel(models: Path) -> None:
    file = models / "taxiway.toml"
    # The file may lack signatures, and the next version the file: neither may fail for a setting.
    with placed(str(models / "m"), "none", ("litert",)) as found:
        assert 'engine = "auto"' in api._with_settings(file, found, Candidate("litert"))
        assert 'engine = "tensorflow"' in api._with_settings(file, found, Candidate("tensorflow"))
        best = Trial(Candidate("litert"), stage="final")
        trials = Trials(found, None, Options(), models, clock=FakeClock(), say=lambda _: None)
        (note,) = [one for one in api._notes(found, trials, Choice(best, 0.0, (), "faster")) if "auto" in one]
        assert "stay with TensorFlow" in note
    (models / "m" / "10" / "saved_model.pb").unlink()
    with placed(str(models / "m"), "none") as found:
        assert 'engine = "litert"' in api._with_settings(file, found, Candidate("litert"))


def test_rows_that_do_not_fit_are_refused_before_a_file_is_made(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(place, "_with_litert", lambda *given: made.append(given))
    takes_x = {"serving_default": Signature({"x": TensorSpec(1, (None, 2))}, {})}
    monkeypatch.setattr(api, "read_saved_model", lambda _: SimpleNamespace(signatures=takes_x))
    for data, options, said in (
        ({"z": [[1.0, 2.0]]}, {}, "'z' is no input"),
        ({"x": [[1.0, 2.0]]}, {"signature": "other"}, "not found in signature def"),
        ({"x": [[1.0, 2.0]], "labels": [3]}, {"rows": 2}, "fewer than the 2"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            api.tune_serving(models / "m" / "2", data, **options)
    with pytest.raises(NotFound, match="nosuch"):
        api.tune_serving(models / "m" / "2", "nosuch.tfrecord")
    assert made == []


def test_what_is_no_model_is_refused(models: Path) -> None:
    with pytest.raises(InvalidArgument, match="holds no model"), placed(str(models), "none"):
        pass
    with pytest.raises(NotFound, match="There is no directory no/model"), placed("no/model", models):
        pass
    with pytest.raises(NotFound, match="There is no version of other"), placed("other", models):
        pass


def test_the_settings_are_written_where_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "conf" / "taxiway.toml"
    file.parent.mkdir()
    there = Placed("m", 3, str(tmp_path / "models" / "m"), tmp_path, ("tensorflow",))
    text = api._with_settings(file, there, Candidate("tensorflow", io_threads=1))
    model = '[models.m]\nsource = "../models/m"\nengine = "tensorflow"\nbatching = "off"\n'
    assert text == f"[server]\nio_threads = 1\n\n{model}"
    # What an earlier search has set and this one does not want goes back to its default.
    file.write_text(text + "record_rate = 0.5  # a sample\n" + "[defaults]\nwarm_up = false\n")
    again = api._with_settings(file, replace(there, has_graph=False), Candidate("litert"))
    assert again == (
        "[server]\nio_threads = 0\n\n"
        + model.replace('"tensorflow"', '"litert"') + "record_rate = 0.5  # a sample\n[defaults]\nwarm_up = false\n"
    )  # fmt: skip


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "taxiway.toml"
    with pytest.raises(NotFound, match="no directory"):
        api.tune_serving(models / "m", write=tmp_path / "none" / "taxiway.toml")
    file.write_text("[sever]\n")
    with pytest.raises(InvalidArgument, match="unknown key 'sever'"):
        api.tune_serving(models / "m", write=file)
    file.write_text('[models]\nm = { source = "x" }\n')
    with pytest.raises(FailedPrecondition, match="cannot be changed"):
        api.tune_serving(models / "m", write=file)
