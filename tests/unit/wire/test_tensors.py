"""numpy ↔ TensorProto, every dtype, both forms; held to TensorFlow's own where it is installed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from taxiway.errors import DataLoss, InvalidArgument
from taxiway.wire import messages
from taxiway.wire.dtypes import DTYPES, DType, dtype_of_array, dtype_of_name
from taxiway.wire.tensors import array_of, tensor_of

NUMBERS = [row for row in DTYPES if not row.is_string]


def sample(row: DType) -> np.ndarray:
    """Six elements of a type, from bits that every type has."""
    if row.is_string:
        return np.array([[b"a", b"\xff\x00", b""], [b"bc", b"d", b"e"]], object)
    return np.array([[0, 1, 2], [3, 1, 0]]).astype(row.numpy)


@pytest.mark.parametrize("row", DTYPES, ids=lambda row: row.name)
def test_every_dtype_goes_over_the_wire_and_back(row: DType) -> None:
    array = sample(row)
    again = array_of(messages.TensorProto.FromString(tensor_of(array, row).SerializeToString()))
    assert again.dtype == array.dtype and again.shape == (2, 3)
    assert (again == array).all()


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
def test_typed_fields_are_read_and_repeat_their_last_value(row: DType) -> None:
    values = {
        "half_val": np.array([0, 1, 2]).astype(row.numpy).view(np.uint16).tolist() if "half" in row.typed_field else [],
        "scomplex_val": [0, 0, 1, 0, 2, 0],
        "dcomplex_val": [0, 0, 1, 0, 2, 0],
        "float8_val": np.array([0, 1, 2]).astype(row.numpy).view(np.uint8).tobytes()
        if row.typed_field == "float8_val"
        else b"",
    }.get(row.typed_field, [0, 1, 2])
    tensor = messages.TensorProto(dtype=row.number, **{row.typed_field: values})
    tensor.tensor_shape.dim.add(size=5)
    assert (array_of(tensor) == np.array([0, 1, 2, 2, 2]).astype(row.numpy)).all()


@given(arrays.arrays(st.sampled_from([np.float32, np.int64, np.complex64, np.bool_]), arrays.array_shapes(min_dims=0)))
def test_any_array_is_the_same_after_it(array: np.ndarray) -> None:
    assert array_of(tensor_of(array)).tobytes() == array.tobytes()


def test_text_is_utf8_and_a_scalar_has_no_dimension() -> None:
    tensor = tensor_of(np.array("Zürich"))
    assert list(tensor.string_val) == ["Zürich".encode()] and not tensor.tensor_shape.dim
    assert array_of(tensor)[()] == "Zürich".encode()


def test_big_endian_and_strided_arrays_are_sent_as_values() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    assert (array_of(tensor_of(array)) == array).all()


def test_an_empty_batch_keeps_its_shape() -> None:
    assert array_of(tensor_of(np.zeros((0, 8), np.float32))).shape == (0, 8)


def test_bfloat16_without_ml_dtypes_is_its_bits() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    code = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "import numpy as np\n"
        "from taxiway.wire.tensors import *; from taxiway.wire.dtypes import *\n"
        "print(array_of(tensor_of(np.array([0x3F80], np.uint16), dtype_of_name('bfloat16'))).dtype)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "uint16\n"
    assert array_of(tensor_of(np.array([0x3F80], np.uint16), dtype_of_name("bfloat16"))) == ml_dtypes.bfloat16(1)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (messages.TensorProto(dtype=1, tensor_content=b"abc"), "no whole elements"),
        (messages.TensorProto(dtype=1, float_val=[1, 2]), "more than the shape's 1"),
    ],
)
def test_broken_messages_are_data_loss(tensor: messages.TensorProto, said: str) -> None:
    with pytest.raises(DataLoss, match=said):
        array_of(tensor)


@pytest.mark.parametrize("sizes", [[-1], [1 << 40, 1 << 40]])
def test_shapes_no_array_can_have_are_data_loss(sizes: list[int]) -> None:
    tensor = messages.TensorProto(dtype=1, float_val=[1])
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    with pytest.raises(DataLoss):
        array_of(tensor)


def test_what_tensorflow_has_no_dtype_for_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="datetime64"):
        tensor_of(np.array(["2026-01-01"], "datetime64[D]"))
    with pytest.raises(InvalidArgument, match="resource"):
        array_of(messages.TensorProto(dtype=20))
    with pytest.raises(InvalidArgument, match="neither text nor bytes"):
        tensor_of(np.array([1, None], object))


def test_names_and_numbers_are_the_protos() -> None:
    enum = messages.TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type
    assert enum is not None
    assert {(row.proto_name, row.number) for row in DTYPES} <= {(one.name, one.number) for one in enum.values}
    assert dtype_of_array(np.zeros(1, np.int8)).name == "int8"


@pytest.mark.tensorflow
def test_tensorflow_reads_and_writes_the_same_bytes() -> None:
    pytest.importorskip("tensorflow")
    code = (
        "import numpy as np, tensorflow as tf\n"
        "from taxiway.wire import messages\n"
        "from taxiway.wire.tensors import array_of, tensor_of\n"
        "for array in [np.arange(6, dtype=np.float32), np.array([1j, 2]), np.array([b'a', b'\\xff'], object),\n"
        "              np.array([True, False]), np.arange(3, dtype=np.float16), np.array(7, np.int64)]:\n"
        "    theirs = tf.make_tensor_proto(array)\n"
        "    ours = messages.TensorProto.FromString(theirs.SerializeToString())\n"
        "    assert (array_of(ours) == array).all()\n"
        "    back = type(theirs).FromString(tensor_of(array).SerializeToString())\n"
        "    assert (tf.make_ndarray(back) == array).all()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
