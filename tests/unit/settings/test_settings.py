"""Where settings come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.errors import InvalidArgument, NotFound
from taxiway.settings import AUTO_BATCHED, SECTIONS, Batching, read_settings, recordings, reference, rows
from taxiway.settings.table import Policy


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "taxiway.toml"
    file.write_text(text)
    return file


def test_defaults() -> None:
    settings = read_settings(environ={})
    assert (settings.server.host, settings.server.rest_port, settings.server.grpc_port) == ("127.0.0.1", 8501, 8500)
    assert settings.defaults.versions == Policy(latest=1)


def test_the_later_counts_more(tmp_path: Path) -> None:
    file = toml(tmp_path, "[server]\nrest_port = 1\ngrpc_port = 1\nadmin_port = 1\n")
    environ = {"TAXIWAY_GRPC_PORT": "2", "TAXIWAY_ADMIN_PORT": "2", "TAXIWAY_CORS": "yes"}
    server = read_settings(file, environ=environ, server={"admin_port": 3}).server
    assert (server.rest_port, server.grpc_port, server.admin_port, server.cors) == (1, 2, 3, True)


def test_models_take_defaults_and_their_own(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        '[defaults]\nengine = "litert"\nkeep_previous = 2\n[models.a]\nsource = "m/a"\nengine = "tensorflow"\n'
        'versions = [3, 4]\nlabels = { stable = 3 }\n[models.b]\nsource = "/m/b"\nversions = { latest = 2 }\n',
    )
    models = read_settings(file, environ={}).models
    assert (models["a"].engine, models["b"].engine, models["b"].keep_previous) == ("tensorflow", "litert", 2)
    assert (models["a"].versions, models["b"].versions) == (Policy(None, (3, 4)), Policy(2))
    assert (models["a"].source, models["b"].source) == (str(tmp_path / "m/a"), "/m/b")
    assert models["a"].labels == {"stable": 3}


def test_batching_is_off_found_out_or_said(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        '[defaults]\nbatching = "auto"\n[models.a]\nsource = "a"\n'
        '[models.b]\nsource = "b"\nbatching = { max_batch_size = 8 }\n[models.c]\nsource = "c"\nbatching = "off"\n',
    )
    models = read_settings(file, environ={}).models
    assert [models[name].batching for name in "abc"] == [AUTO_BATCHED, Batching(max_batch_size=8), Batching()]
    assert read_settings(environ={"TAXIWAY_BATCHING": "auto"}).defaults.batching == AUTO_BATCHED
    for wrong in ('"always"', "{ auto = true }", "{ auto = true, max_batch_size = 8 }"):
        with pytest.raises(InvalidArgument, match="batching in"):
            read_settings(toml(tmp_path, f"[defaults]\nbatching = {wrong}\n"), environ={})


def test_what_the_file_calls_state_is_beside_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, '[server]\nstate = "s"\n')
    assert read_settings(file, environ={}).server.state == str(tmp_path / "s")
    assert read_settings(file, environ={}, server={"state": "t"}).server.state == "t"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[servr]\n", "unknown key 'servr'", "did you mean 'server'?"),
        ("[server]\nrest_prot = 1\n", "unknown key 'rest_prot'", "did you mean 'rest_port'?"),
        ('[models.m]\nsorce = "x"\n', "unknown key 'sorce' in [models.m]", "did you mean 'source'?"),
        ('[server]\nrest_port = "a"\n', "rest_port in [server]", "The port of REST"),
        ("[server]\nrest_port = true\n", "cannot be True", "The port of REST"),
        ("[server]\nrest_port = 65536\n", "65535 is the most", "The port of REST"),
        ("[server]\npoll_seconds = 0\n", "0.01 is the least", ""),
        ('[models.m]\nsource = "x"\nengine = "onnx"\n', "cannot be 'onnx'", "auto, tensorflow, litert"),
        ('[models.m]\nsource = "x"\nversions = "newest"\n', "cannot be 'newest'", "latest"),
        ('[models.m]\nsource = "x"\nlabels = { a = "b" }\n', "labels in [models.m]", ""),
        ("[models.m]\n", "model m has no source", "DIRECTORY"),
        ('[models."a/b"]\nsource = "x"\n', "cannot be called 'a/b'", ""),
        ("server = 3\n", "is not a table", None),
        ("[server\n", "is not TOML", None),
    ],
)
def test_refusals(tmp_path: Path, text: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_settings(toml(tmp_path, text), environ={})
    assert message in refused.value.message
    assert hint is None or hint in str(refused.value.hint)


def test_wrong_variables_and_missing_files() -> None:
    with pytest.raises(InvalidArgument, match="TAXIWAY_REST_PORT"):
        read_settings(environ={"TAXIWAY_REST_PORT": "many"})
    with pytest.raises(NotFound, match="nowhere"):
        read_settings("nowhere.toml", environ={})


@pytest.mark.parametrize(
    ("text", "policy"), [("all", Policy(None)), ("latest", Policy(1)), ("3,4", Policy(None, (3, 4)))]
)
def test_versions_from_the_environment(text: str, policy: Policy) -> None:
    assert read_settings(environ={"TAXIWAY_VERSIONS": text}).defaults.versions == policy


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_has_its_sentence_and_its_line_in_the_reference(section: str) -> None:
    page = reference.render()
    for row in rows(section).values():
        assert row.sentence.endswith("."), row.name
        assert f"| `{row.name}` |" in page
        assert not row.environment or f"`{row.environment}`" in page


def test_two_settings_never_share_a_variable() -> None:
    names = [row.environment for section in SECTIONS for row in rows(section).values() if row.environment]
    assert len(names) == len(set(names))


def test_state_may_be_a_database_and_then_recordings_need_a_place(tmp_path: Path) -> None:
    file = tmp_path / "taxiway.toml"
    file.write_text('[server]\nstate = "postgresql://u@h/d"\n[defaults]\nrecord_rate = 0.5\n')
    with pytest.raises(InvalidArgument, match="record_rate") as caught:
        read_settings(file, environ={})
    assert "recordings" in (caught.value.hint or "")
    file.write_text('[server]\nstate = "postgresql://u@h/d"\nrecordings = "r"\n[defaults]\nrecord_rate = 0.5\n')
    server = read_settings(file, environ={}).server
    assert server.state == "postgresql://u@h/d"
    assert recordings(server.state, "a/b", server.recordings) == Path("r").absolute() / "a%2Fb"
    assert recordings("s", "m") == Path("s/recordings/m").absolute()


def test_another_databases_url_is_no_state_and_its_password_is_not_shown() -> None:
    with pytest.raises(InvalidArgument, match=r"cannot be kept in mysql://…$"):
        read_settings(environ={}, server={"state": "mysql://u:secret@h/d"})
