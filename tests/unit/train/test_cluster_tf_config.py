"""TF_CONFIG is read strictly: a mistake is one sentence, not a hang."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taxiway.errors import InvalidArgument
from taxiway.train.cluster import Cluster, Task, parse_tf_config, task_from_environment, tf_config_text

TWO = {"worker": ["a:1", "b:2"]}


def config(cluster: Any = None, **task: Any) -> str:
    return json.dumps({"cluster": TWO if cluster is None else cluster, "task": task})


def test_a_task_survives_the_environment() -> None:
    for task in Cluster(chief=("a:1",), worker=("b:2", "c:3"), ps=("d:4",)).tasks():
        again = parse_tf_config(tf_config_text(task))
        assert (again, again.cluster, again.address) == (task, task.cluster, task.address)


def test_the_chief_is_the_first_worker_where_there_is_none() -> None:
    assert [task.is_chief for task in Cluster(worker=("a:1", "b:2")).tasks()] == [True, False]
    assert [task.is_chief for task in Cluster(chief=("c:3",), worker=("a:1",)).tasks()] == [True, False]


def test_what_a_platform_adds_is_left_alone() -> None:
    text = json.dumps(
        {"cluster": TWO, "task": {"type": "worker", "index": "1", "cloud": "x"}, "environment": "cloud", "job": "{}"}
    )
    assert parse_tf_config(text) == Task("worker", 1)


def test_an_evaluator_need_not_be_listed() -> None:
    assert parse_tf_config(config(type="evaluator", index=0)).name == "evaluator 0"


@pytest.mark.parametrize("text", [None, "", "{}", '{"task": {"type": "worker", "index": 0}}', '{"cluster": {}}'])
def test_no_cluster_is_no_task(text: str | None) -> None:
    assert task_from_environment({} if text is None else {"TF_CONFIG": text}) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{nonsense", "is not JSON"),
        ("[1]", "not a JSON object"),
        (config({}), "names no cluster"),
        (config({"workers": ["a:1"]}, type="worker", index=0), "tasks of type 'workers'"),
        (config({"worker": {"0": "a:1"}}, type="worker", index=0), "must list the addresses of worker"),
        (config({"ps": ["a:1"]}, type="ps", index=0), "neither a chief nor a worker"),
        (config({"chief": ["a:1", "b:2"]}, type="chief", index=0), "names 2 chiefs"),
        (config({"worker": ["a"]}, type="worker", index=0), "'a', which is not host:port"),
        (config({"worker": ["a:99999"]}, type="worker", index=0), "not host:port"),
        (
            config({"worker": ["a:1"], "ps": ["a:1"]}, type="worker", index=0),
            "gives worker 0 and ps 0 the same address, a:1",
        ),
        (json.dumps({"cluster": TWO}), "does not say which task"),
        (config(index=0), "has no type"),
        (config(type="boss", index=0), "is of type 'boss'"),
        (config(type="worker"), "has no index"),
        (config(type="worker", index=1.5), "is 1.5, which is not a number"),
        (config(type="worker", index=2), "is worker 2, but its cluster has 2 of type worker"),
        (config(type="worker", index=-1), "is worker -1"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_tf_config(text)
    assert sentence in raised.value.message
    assert raised.value.message.count("\n") == 0
    assert raised.value.hint is not None and '"cluster"' in raised.value.hint
