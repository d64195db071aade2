"""Pickles that are short to write and take for ever to read."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from depth_perception.systems import CheckpointError
from depth_perception.systems.checkpoints import read_checkpoint
from depth_perception.systems.pickle_cost import CostError, check_cost
from depth_perception.systems.torch_files import NotPlainError, read_torch_file, reject_costly
from depth_perception.training.run import read_state

LEVELS = 60  # hashing this key would take longer than the universe is old
TWICE = {"dup": b"2\x86", "memo": b"q\x01h\x01\x86"}
HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x01."


def _bomb(twice: bytes, end: bytes = b"") -> bytes:
    return b"\x80\x02}" + b"K\x01" + twice * LEVELS + end + b"K\x01s."


@pytest.mark.parametrize("twice", TWICE.values(), ids=TWICE)
@pytest.mark.parametrize("kind", ["plain", "legacy", "zip"])
@pytest.mark.parametrize("read", [read_checkpoint, read_state])
def test_keys_without_end_are_refused_at_once(
    tmp_path: Path, twice: bytes, kind: str, read: object
) -> None:
    path = tmp_path / "bomb.pth"
    if kind == "zip":
        torch.save({"a": torch.zeros(2)}, path)
        with zipfile.ZipFile(path) as whole:
            parts = {name: whole.read(name) for name in whole.namelist()}
        with zipfile.ZipFile(path, "w") as forged:
            for name, content in parts.items():
                forged.writestr(name, _bomb(twice) if name.endswith(".pkl") else content)
    else:
        end = b"\x80\x02]."
        path.write_bytes(_bomb(twice) if kind == "plain" else HEAD + _bomb(twice) + end)
    with pytest.raises(CheckpointError, match=r"bomb\.pth"):
        read(path)


def _archive(path: Path, members: list[tuple[str, bytes]]) -> None:
    """A torch archive of these pickles and the other members."""
    torch.save({"a": torch.zeros(2)}, path)
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    folder = next(iter(parts)).split("/")[0]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as forged:
        warnings.simplefilter("ignore")  # duplicate names
        for name, content in members:
            forged.writestr(f"{folder}/{name}", content)
        for name, content in parts.items():
            if not name.endswith(".pkl"):
                forged.writestr(name, content)


def _harmless() -> bytes:
    return pickle.dumps({"a": 1.0}, 2)


def _legacy_with_a_zip(path: Path, bomb: bytes) -> None:
    _archive(path, [("data.pkl", _harmless())])
    path.write_bytes(HEAD + bomb + b"\x80\x02]." + path.read_bytes())


def _upper_case(path: Path, bomb: bytes) -> None:
    _archive(path, [("DATA.PKL", bomb)])


def _twice(path: Path, bomb: bytes) -> None:
    _archive(path, [("data.pkl", bomb), ("data.pkl", _harmless())])


def _two_cases(path: Path, bomb: bytes) -> None:
    _archive(path, [("data.PKL", bomb), ("data.pkl", _harmless())])


def _two_directories(path: Path, bomb: bytes) -> None:
    """zipfile takes the directory right before the end, torch that at the stated offset."""
    _archive(path, [("data.pkl", bomb)])
    torch_reads = path.read_bytes()
    _archive(path, [("data.pkl", _harmless())])
    other = path.read_bytes()
    count, size, offset = struct.unpack("<HII", torch_reads[-12:-2])
    first = torch_reads[offset : offset + size]
    o_count, o_size, o_offset = struct.unpack("<HII", other[-12:-2])
    assert o_count == count
    assert o_size == size
    shown = bytearray(other[o_offset : o_offset + o_size])
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, size, offset, 0)
    body = torch_reads[:offset] + first
    # zipfile adds the distance between both directories to the offsets of all members.
    distance = len(body) + len(other[:o_offset]) - offset
    place = 0
    while place < len(shown):
        names = sum(struct.unpack_from("<HHH", shown, place + 28))
        at = struct.unpack_from("<I", shown, place + 42)[0]
        struct.pack_into("<I", shown, place + 42, len(body) + at - distance)
        place += 46 + names
    path.write_bytes(body + other[:o_offset] + bytes(shown) + end)


FORGERIES = [_legacy_with_a_zip, _upper_case, _twice, _two_cases, _two_directories]


@pytest.mark.parametrize("forge", FORGERIES)
def test_forged_files_hide_no_pickle(tmp_path: Path, forge: Callable[[Path, bytes], None]) -> None:
    path = tmp_path / "bomb.pth"
    forge(path, _bomb(TWICE["memo"]))
    with pytest.raises(NotPlainError, match="tuples of more than"):
        reject_costly(path)
    for read in (read_checkpoint, read_state):
        with pytest.raises(CheckpointError, match=r"bomb\.pth"):
            read(path)


@pytest.mark.parametrize("is_archive", [True, False])
def test_torch_files_are_not_costly(tmp_path: Path, is_archive: bool) -> None:
    path = tmp_path / "small.pth"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=is_archive)
    assert read_torch_file(path)["a"].tolist() == [1, 1]
    reject_costly(path.rename(tmp_path / os.fsdecode(b"\xff.pth")))  # no UTF-8


def test_what_people_save_costs_little() -> None:
    whole = {"betas": (0.9, 0.999), ("a", ("b", 1)): [(1, 2)] * 1000, "set": frozenset(range(50))}
    for protocol in range(6):
        check_cost(io.BytesIO(pickle.dumps(whole, protocol)))


@pytest.mark.parametrize("end", [b"", b"(h\x01h\x01t", b"\x85\x85"])
def test_every_kind_of_tuple_counts(end: bytes) -> None:
    with pytest.raises(CostError, match="tuples of more than 1000000 parts"):
        check_cost(io.BytesIO(_bomb(TWICE["memo"], end)))
