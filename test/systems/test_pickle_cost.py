"""Pickles that are short to write and take for ever to read."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from depth_perception.systems import CheckpointError
from depth_perception.systems.checkpoints import read_checkpoint
from depth_perception.systems.pickle_cost import CostError, check_cost
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


def test_what_people_save_costs_little() -> None:
    whole = {"betas": (0.9, 0.999), ("a", ("b", 1)): [(1, 2)] * 1000, "set": frozenset(range(50))}
    for protocol in range(6):
        check_cost(io.BytesIO(pickle.dumps(whole, protocol)))


@pytest.mark.parametrize("end", [b"", b"(h\x01h\x01t", b"\x85\x85"])
def test_every_kind_of_tuple_counts(end: bytes) -> None:
    with pytest.raises(CostError, match="tuples of more than 1000000 parts"):
        check_cost(io.BytesIO(_bomb(TWICE["memo"], end)))
