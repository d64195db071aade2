"""The files of the blind-spot VGG: a folder of arrays, and old torch pickles."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.blindspot_reference import FOLDER, case, probe

from depth_perception.systems import CheckpointError, build_network, load_network, save_network
from depth_perception.systems.blindspot.files import numpy_entries

MODEL = "blindspot-tiny"


def test_numpy_weights_equal_the_conversion_of_the_original(tmp_path: Path) -> None:
    golden = case("vgg-numpy-weights")
    raw = json.loads((FOLDER / "numpy_weight_map.json").read_text())
    for file, entry in raw.items():
        rng = np.random.RandomState(zlib.crc32(f"{golden.entry['input']['seed']}:{file}".encode()))
        values = rng.standard_normal(entry["raw_shape"]).astype(np.float32)
        np.save(tmp_path / file, values)
    network = load_network("blindspot-vgg", tmp_path)
    names = network.official_names()
    state = {names[name]: value for name, value in network.state_dict().items()}
    assert {entry["parameter"] for entry in raw.values()} == set(state)
    for name, value in state.items():
        golden.assert_close(probe(name, value, 16), f"probe_{name}")
        sums = torch.stack((value.double().sum(), value.double().abs().sum())).float()
        golden.assert_close(sums, f"sum_{name}")


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = build_network(MODEL)
    names = network.official_names()
    return {names[name]: torch.randn_like(value) for name, value in network.state_dict().items()}


def save_folder(
    folder: Path, state: dict[str, torch.Tensor], suffix: str = ":0", flat: bool = True
) -> Path:
    """As TensorFlow's variables would lie there; heads follow the stage that they belong to."""
    folder.mkdir(exist_ok=True)
    encoder = [f"conv{n + 1}" for n in range(12)]
    decoder = [f"upconv{n + 1}" for n in range(6)] + ["get_disp1"]
    for scale in range(2, 5):
        decoder += [f"upconv{2 * scale + 3}", f"upconv{2 * scale + 4}", f"get_disp{scale}"]
    for half, layers in (("encoder", encoder), ("decoder", decoder)):
        for number, layer in enumerate(layers):
            for kind, variable in (("weight", "weights"), ("bias", "biases")):
                values = state[f"{layer}.{kind}"]
                values = values.permute(2, 3, 1, 0) if kind == "weight" else values
                place = f"Conv_{number}" if number else "Conv"
                values = values.reshape(1, -1) if flat else values
                np.save(folder / f"model.{half}.{place}.{variable}{suffix}.npy", values.numpy())
    return folder


def assert_loads(path: Path, state: dict[str, torch.Tensor]) -> None:
    network = load_network(MODEL, path)
    names = network.official_names()
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[names[name]]), name


@pytest.mark.parametrize("suffix", [":0", "", "_0"])
@pytest.mark.parametrize("flat", [True, False])
def test_folders_load_under_all_spellings(
    tmp_path: Path, state: dict[str, torch.Tensor], suffix: str, flat: bool
) -> None:
    folder = save_folder(tmp_path / "numpy_weight", state, suffix, flat)
    (folder / "README.txt").write_text("not an array")
    (folder / "._model.npy").write_bytes(b"left behind by another system")
    assert_loads(folder, state)


def test_torch_files_load(
    tmp_path: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    for zipped in (True, False):
        torch.save(state, tmp_path / "generator.pkl", _use_new_zipfile_serialization=zipped)
        assert_loads(tmp_path / "generator.pkl", state)
    # as the authors' program writes it: from a GPU, in the old format
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _storage: "cuda:0")
    torch.save(state, tmp_path / "generator.pkl", _use_new_zipfile_serialization=False)
    monkeypatch.undo()
    assert b"cuda:0" in (tmp_path / "generator.pkl").read_bytes()
    assert_loads(tmp_path / "generator.pkl", state)
    network = load_network(MODEL, tmp_path / "generator.pkl")
    save_network(network, tmp_path / "own.safetensors")
    assert_loads(tmp_path / "own.safetensors", state)


def test_everything_that_does_not_fit_is_listed_at_once(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    folder = save_folder(tmp_path / "numpy_weight", state)
    (folder / "model.encoder.Conv.biases:0.npy").unlink()
    (folder / "model.decoder.Conv_15.weights:0.npy").unlink()
    np.save(folder / "model.encoder.Conv_3.biases:0.npy", np.zeros((1, 5), np.float32))
    np.save(folder / "model.encoder.Conv_12.biases:0.npy", np.zeros((1, 5), np.float32))
    np.save(folder / "Variable:0.npy", np.zeros((1, 1), np.float32))
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, folder)
    assert set(caught.value.missing) == {"conv1.bias", "get_disp4.weight"}
    assert set(caught.value.unexpected) == {
        "model.encoder.Conv_12.biases:0.npy",
        "Variable:0.npy",
    }
    assert caught.value.misshapen == ("conv4.bias",)
    assert all(name in str(caught.value) for name in ("get_disp4", "Variable", "conv4.bias"))


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_executed(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    sprung = tmp_path / "sprung"
    folder = save_folder(tmp_path / "numpy_weight", state)
    trap = np.array([_Trap(sprung)], dtype=object)
    np.save(folder / "model.encoder.Conv.biases:0.npy", trap, allow_pickle=True)
    with pytest.raises(CheckpointError, match=r"Conv\.biases"):
        load_network(MODEL, folder)
    for zipped in (True, False):
        content = {**state, "conv1.bias": _Trap(sprung)}
        path = tmp_path / "generator.pkl"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError):
            load_network(MODEL, tmp_path / "generator.pkl")
    (tmp_path / "generator.pkl").write_bytes(pickle.dumps({"conv1.bias": _Trap(sprung)}))
    with pytest.raises(CheckpointError):
        load_network(MODEL, tmp_path / "generator.pkl")
    assert not sprung.exists()


def test_broken_folders_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"no \.npy files"):
        load_network(MODEL, tmp_path)
    folder = save_folder(tmp_path / "numpy_weight", state)
    first = folder / "model.encoder.Conv.biases:0.npy"
    content = first.read_bytes()
    twin = folder / "model.encoder.Conv.biases.npy"
    twin.write_bytes(content)
    with pytest.raises(CheckpointError, match="are both"):
        load_network(MODEL, folder)
    twin.unlink()
    bias = state["conv1.bias"].numpy()
    for values, reason in (
        (np.full_like(bias, np.nan), "NaN"),
        (bias.astype(np.int32), "floating point"),
    ):
        np.save(first, values)
        with pytest.raises(CheckpointError, match=reason):
            load_network(MODEL, folder)
    for broken in (content[:40], b"", content[:-3]):
        first.write_bytes(broken)
        with pytest.raises(CheckpointError, match="plain array"):
            load_network(MODEL, folder)
    with np.load(FOLDER / "golden-post-process.npz") as archive:
        np.savez(folder / "archive.npz", **archive)
    (folder / "archive.npz").rename(first)
    with pytest.raises(CheckpointError, match="floating point"):
        numpy_entries(folder, {})


def test_folders_of_other_models_are_not_taken(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights file"):
        load_network("omnidepth-rectnet-tiny", tmp_path)
