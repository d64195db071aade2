"""OmniDepth's files: Caffe's HDF5, the converted .pth, the checkpoints of training."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from golden.blindspot_reference import FOLDER

from depth_perception.systems import CheckpointError, build_network, load_network
from depth_perception.systems.omnidepth.files import caffe_entries

MODEL = "omnidepth-rectnet-tiny"
MAP = json.loads((FOLDER / "rectnet_caffe_map.json").read_text())


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = build_network(MODEL)
    names = network.official_names()
    state = {names[name]: torch.randn_like(value) for name, value in network.state_dict().items()}
    assert {entry["parameter"] for entry in MAP.values()} == set(state)
    return state


def save_caffe(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """As Caffe writes it: layers without parameters too, and a second group."""
    with h5py.File(path, "w") as file:
        file.create_group("data/concat")
        file.create_group("diff")
        for blob, entry in MAP.items():
            if entry["parameter"] in state:
                values = state[entry["parameter"]]
                values = values.flip(1) if entry["flip_input_channels"] else values
                file[f"data/{blob}"] = values.numpy()
    return path


def assert_loads(path: Path, state: dict[str, torch.Tensor]) -> None:
    network = load_network(MODEL, path)
    names = network.official_names()
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[names[name]]), name


def test_caffe_file_loads(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    assert_loads(save_caffe(tmp_path / "rectnet.caffemodel.h5", state), state)


def test_torch_files_load(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    wrapped = {f"module.{name}": value for name, value in state.items()}
    released = {"epoch": 0, "state_dict": wrapped}
    meter = {"val": torch.tensor(0.5, requires_grad=True), "sum": 2.0, "count": 4, "avg": 0.5}
    trained = {
        "epoch": 3,
        "experiment": "rectnet",
        "state_dict": wrapped,
        "optimizer": {"state": {}, "param_groups": [{"lr": 2e-4}]},
        "loss_meter": meter,
        "best_d1_inlier": 0.9,
    }
    for content in (released, trained, dict(state)):
        for zipped in (True, False):
            torch.save(content, tmp_path / "r.pth", _use_new_zipfile_serialization=zipped)
            assert_loads(tmp_path / "r.pth", state)


def test_everything_that_does_not_fit_is_listed_at_once(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    other = dict(state)
    del other["prediction0.bias"]
    other["encoder0_1.conv.bias"] = torch.zeros(7)
    path = save_caffe(tmp_path / "other.h5", other)
    with h5py.File(path, "a") as file:
        file["data/stranger/0"] = np.zeros((2, 2), np.float32)
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, path)
    assert caught.value.missing == ("prediction0.bias",)
    assert caught.value.unexpected == ("stranger/0",)
    assert caught.value.misshapen == ("encoder0_1.conv.bias",)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_network("omnidepth-rectnet", save_caffe(tmp_path / "small.h5", state))
    # a prefix on some of the names is not taken for that of all
    half = {f"module.{n}" if n.startswith("enc") else n: value for n, value in state.items()}
    torch.save({"state_dict": half}, tmp_path / "half.pth")
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, tmp_path / "half.pth")
    assert len(caught.value.missing) == len(caught.value.unexpected) > 0


def test_broken_and_foreign_files_are_refused(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    whole = save_caffe(tmp_path / "whole.h5", state)
    content = whole.read_bytes()
    for length in (100, len(content) // 2):
        (tmp_path / "cut.h5").write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_network(MODEL, tmp_path / "cut.h5")
    for name, build, reason in (
        ("empty", lambda file: None, "no groups"),
        ("flat", lambda file: file.create_dataset("data/conv", data=[1.0]), "not a group"),
        ("words", lambda file: file.create_dataset("data/conv/0", data=b"x"), "floating point"),
        ("deep", lambda file: file.create_group("data/conv/0/deeper"), "floating point"),
        ("nan", lambda file: file.create_dataset("data/conv/0", data=[np.nan]), "NaN"),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            build(file)
        with pytest.raises(CheckpointError, match=reason):
            caffe_entries(tmp_path / f"{name}.h5")


def test_links_are_not_followed(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    save_caffe(tmp_path / "secret.h5", state)
    for link in (h5py.ExternalLink("secret.h5", "/data"), h5py.SoftLink("/elsewhere")):
        with h5py.File(tmp_path / "links.h5", "w") as file:
            file["data"] = link
        with pytest.raises(CheckpointError, match="link"):
            caffe_entries(tmp_path / "links.h5")
        with h5py.File(tmp_path / "links.h5", "w") as file:
            file.create_group("data")
            file["data/conv"] = link
        with pytest.raises(CheckpointError, match="link"):
            caffe_entries(tmp_path / "links.h5")


def test_other_families_do_not_take_hdf5(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = save_caffe(tmp_path / "rectnet.h5", state)
    with pytest.raises(CheckpointError):
        load_network("omnidepth-uresnet", path)
