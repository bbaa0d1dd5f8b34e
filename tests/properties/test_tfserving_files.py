from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from taxiway.serve.tfserving.files import parse_text
from taxiway.serve.tfserving.model_config import transition
from taxiway.wire import message

TEXT = st.text("a \n\t#'\"\\{}:<>,;é", max_size=30)


def quoted(text: str, mark: str) -> str:
    """``text`` between quotes as people write it: line ends stand as they are."""
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


@given(TEXT, TEXT, st.sampled_from("\"'"), st.sampled_from(["", "# it's a \"comment\n", "#\\\n"]))
def test_strings_over_lines_are_read_as_they_stand(key: str, cert: str, mark: str, comment: str) -> None:
    text = f"{comment}server_key: {quoted(key, mark)}\n{comment}server_cert: {quoted(cert, mark)} {comment}"
    config = parse_text(text.encode(), message("tensorflow.serving.SSLConfig")())
    assert (config.server_key, config.server_cert) == (key, cert)


policies: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.builds(lambda count: {"latest": {"num_versions": count}}, st.integers(0, 2**32 - 1)),
    st.just({"all": {}}),
    st.builds(lambda numbers: {"specific": {"versions": numbers}}, st.lists(st.integers(-(2**63), 2**63 - 1))),
)
models = st.builds(
    lambda name, policy, labels: {
        "name": name,
        "base_path": f"/m/{name}",
        "model_platform": "tensorflow",
        "model_version_policy": policy,
        "version_labels": labels,
    },
    TEXT,
    policies,
    st.dictionaries(TEXT, st.integers(-(2**63), 2**63 - 1), max_size=3),
)


@given(st.lists(models, unique_by=lambda model: model["name"], max_size=5))
def test_every_config_is_read_back_and_may_follow_itself(listed: list[dict[str, Any]]) -> None:
    cls = message("tensorflow.serving.ModelServerConfig")
    config = cls(model_config_list={"config": listed})
    again = parse_text(text_format.MessageToString(config).encode(), cls())
    assert again == config
    entries = transition(None, again, ["tensorflow"])
    assert [entry.name for entry in entries or ()] == [model["name"] for model in listed]
    assert transition(entries, again, ["tensorflow"]) == entries


@given(st.binary(max_size=200) | st.text("model_config_list{} :\"'#\n[]<>1-", max_size=60).map(str.encode))
def test_any_bytes_are_a_config_or_a_parse_error(data: bytes) -> None:
    try:
        parse_text(data, message("tensorflow.serving.ModelServerConfig")())
    except text_format.ParseError as error:
        assert error.GetLine() is not None
