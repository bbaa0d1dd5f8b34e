from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import InvalidArgument, NotFound, TaxiwayError
from taxiway.serve.tfserving.files import BadProtobufFile, read_text_message
from taxiway.wire import message

CONFIG = "tensorflow.serving.ModelServerConfig"


def read(tmp_path: Path, text: str | bytes, kind: str = CONFIG, *, tolerant: bool = False) -> Any:
    path = tmp_path / "file"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_text_message(str(path), message(kind)(), tolerant=tolerant)


@pytest.mark.tfs("file-syntax")
@pytest.mark.parametrize(
    "text",
    [
        'model_config_list { config { name: "a" base_path: "/m" } }',
        'model_config_list: { config: { name: "a", base_path: "/m", }, }',
        "model_config_list: { config: [ { name: 'a'; base_path: '/m' } ] }",
        'model_config_list <\n  # "a comment\'s quote\n  config < name: "a" base_path: "/" "m" >\n>',
    ],
)
def test_every_spelling_of_text_format_is_taken(tmp_path: Path, text: str) -> None:
    (model,) = read(tmp_path, text).model_config_list.config
    assert (model.name, model.base_path) == ("a", "/m")


def test_a_string_may_span_lines_and_errors_keep_their_line(tmp_path: Path) -> None:
    pem = "-----BEGIN X-----\nab\"'#\\\\c\n-----END X-----\n"
    text = "server_cert: '" + pem.replace("'", "\\'") + '\'\nserver_key: "k"\n'
    config = read(tmp_path, text, "tensorflow.serving.SSLConfig")
    assert config.server_cert == pem.replace("\\\\", "\\")
    with pytest.raises(BadProtobufFile) as caught:
        read(tmp_path, text + "nonsense: 1", "tensorflow.serving.SSLConfig")
    assert "SSLConfig: 6:1: " in caught.value.parser_line


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("foo: 1", "1:1", 'has no field named "foo"'),
        ("model_config_list {\n  config { nam: 1 } }", "2:12", 'has no field named "nam"'),
        ('model_config_list { config { name: "x } }', "1:36", "String missing ending quote"),
        ("model_config_list {", "1:19", "Expected"),
        ("model_config_list { config { model_version_policy { latest { num_versions: -1 } } } }", "1:76", "range"),
        ('model_config_list { config { name: "a" name: "b" } }', "1:46", 'multiple "name" fields'),
        ("{" * 2000, "1:1", "Expected identifier"),
        (b"\n\xff", "2:1", "UTF-8"),
    ],
)
def test_an_error_names_the_file_and_the_place(tmp_path: Path, text: str | bytes, where: str, what: str) -> None:
    with pytest.raises(BadProtobufFile) as caught:
        read(tmp_path, text)
    assert caught.value.message == f"Invalid protobuf file: '{tmp_path / 'file'}'"
    assert caught.value.kind == "INVALID_ARGUMENT"
    line = caught.value.parser_line
    assert line.startswith(f"Error parsing text-format {CONFIG}: "), line
    assert what in line and len(line) < 300, line
    assert line.split(": ")[1] == where, line


def test_a_missing_file_a_directory_and_an_empty_file_have_tensorflows_texts(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="/absent; No such file or directory$"):
        read_text_message(str(tmp_path / "absent"), message(CONFIG)())
    with pytest.raises(TaxiwayError, match="; Is a directory$"):
        read_text_message(str(tmp_path), message(CONFIG)())
    with pytest.raises(InvalidArgument, match="/file; Invalid argument$"):
        read(tmp_path, "")


def test_a_comment_alone_is_an_empty_config(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing yet\n").WhichOneof("config") is None


def test_unknown_fields_are_skipped_only_when_asked_for(tmp_path: Path) -> None:
    text = (
        "intra_op_parallelism_threads: 4 graph_options { rewrite_options { remapping: OFF } } experimental { a: [1] }"
    )
    assert read(tmp_path, text, "tensorflow.ConfigProto", tolerant=True).intra_op_parallelism_threads == 4
    with pytest.raises(BadProtobufFile, match="Invalid protobuf file"):
        read(tmp_path, text, "tensorflow.ConfigProto")
