from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taxiway.errors import DataLoss
from taxiway.wire.crc32c import crc32c
from taxiway.wire.records import read_records, write_records


@pytest.mark.parametrize(
    ("data", "crc"),
    # RFC 3720, B.4, and the check value of the algorithm
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_checksums(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_long_data_has_the_checksum_of_its_bytes_one_by_one() -> None:
    data = bytes(index * 37 % 251 for index in range(9999))
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    assert crc32c(data) == state ^ 0xFFFFFFFF


def test_records_come_back(tmp_path: Path) -> None:
    path = tmp_path / "records"
    assert write_records(path, [b"", b"one", b"x" * 5000]) == 3
    assert list(read_records(path)) == [b"", b"one", b"x" * 5000]


def test_the_bytes_are_tfrecord(tmp_path: Path) -> None:
    # What tf.io.TFRecordWriter of TensorFlow 2.21 writes for b"abc".
    write_records(tmp_path / "records", [b"abc"])
    assert (tmp_path / "records").read_bytes().hex() == "0300000000000000b099490e6162636e57f121"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda data: data[:5], "inside the header"),
        (lambda data: data[:-2], "inside the record"),
        (lambda data: data[:13] + b"?" + data[14:], "wrong checksum of the record"),
        (lambda data: b"\xff" + data[1:], "no TFRecord file"),
        (lambda data: b"not a record file", "no TFRecord file"),
    ],
)
def test_damage_is_found(tmp_path: Path, broken: Callable[[bytes], bytes], said: str) -> None:
    path = tmp_path / "records"
    write_records(path, [b"hello"])
    path.write_bytes(broken(path.read_bytes()))
    with pytest.raises(DataLoss, match=said):
        list(read_records(path))
