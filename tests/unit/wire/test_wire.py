from __future__ import annotations

import pytest
from google.protobuf import descriptor_pool

from taxiway.wire import message


def test_a_message_goes_over_the_wire_and_back() -> None:
    spec = message("tensorflow.serving.ModelSpec")(name="digits", version_label="stable")
    again = message("tensorflow.serving.ModelSpec").FromString(spec.SerializeToString())
    assert (again.name, again.WhichOneof("version_choice")) == ("digits", "version_label")


def test_a_name_is_one_class() -> None:
    assert message("tensorflow.TensorProto") is message("tensorflow.TensorProto")
    with pytest.raises(KeyError):
        message("tensorflow.Nothing")


def test_the_default_pool_is_left_to_tensorflow() -> None:
    pool = message("tensorflow.serving.PredictRequest").DESCRIPTOR.file.pool
    assert pool is not descriptor_pool.Default()
