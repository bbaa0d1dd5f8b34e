from __future__ import annotations

import json
from pathlib import Path

import pytest

from taxiway.browser.convert.operations import Operations, read_operations
from taxiway.errors import DataLoss, Unimplemented
from tests.unit.browser.convert.graphs import graph_of

KNOWN = Operations({"Placeholder": "graph", "Identity": "graph", "Tanh": "basic_math", "Where": "dynamic"}, "4.22.0")


def test_the_lists_of_the_package_are_read(tmp_path: Path) -> None:
    lists = tmp_path / "dist" / "operations" / "op_list"
    lists.mkdir(parents=True)
    rows = "".join(f"{{\n 'tfOpName': 'Op{n}',\n 'category': 'math',\n 'inputs': []}},\n" for n in range(250))
    (lists / "math.js").write_text(f"export const json = [{rows}];")
    (tmp_path / "package.json").write_text(json.dumps({"version": "4.22.0"}))
    found = read_operations(tmp_path)
    assert len(found.categories) == 250 and found.version == "4.22.0"


def test_lists_that_are_not_there_are_damage(tmp_path: Path) -> None:
    with pytest.raises(DataLoss, match="0 operations") as caught:
        read_operations(tmp_path)
    assert "browser install" in (caught.value.hint or "")


@pytest.mark.tensorflow
def test_an_unknown_operation_is_refused_with_its_node() -> None:
    import tensorflow as tf

    KNOWN.check(graph_of(tf.tanh, [2]))
    with pytest.raises(Unimplemented, match=r"does not have Digamma \(node .*Digamma and 1 more\), Lgamma \(node"):
        KNOWN.check(graph_of(lambda x: tf.math.digamma(tf.math.digamma(tf.math.lgamma(x))), [2]))


@pytest.mark.tensorflow
def test_a_graph_whose_sizes_depend_on_values_is_asked_asynchronously() -> None:
    import tensorflow as tf

    assert KNOWN.needs_async(graph_of(tf.where, [3]))
    assert not KNOWN.needs_async(graph_of(tf.tanh, [3]))
