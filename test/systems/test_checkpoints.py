"""Weights files: round trips, and every way in which a file can be wrong."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.reference import save_official

from depth_perception.systems import CheckpointError, build_network, load_network, save_network
from depth_perception.systems.checkpoints import read_checkpoint


def _official_state(name: str = "panda-tiny") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = build_network(name)
    names = network.official_names()
    return {names[key]: value.detach().clone() for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return _official_state()


def _refusal(path: Path, name: str = "panda-tiny") -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_network(name, path)
    assert str(path) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_safetensors_round_trip(tmp_path: Path, dtype: torch.dtype | None) -> None:
    torch.manual_seed(0)
    network = build_network("panda-tiny")
    path = tmp_path / "own.safetensors"
    save_network(network, path, dtype=dtype, metadata={"licence": "Apache-2.0"})
    loaded = load_network("panda-tiny", path, merge_lora=False)
    tolerance = {"atol": 0, "rtol": 0} if dtype is None else {"atol": 1e-6, "rtol": 1e-3}
    for key, value in network.state_dict().items():
        assert loaded.state_dict()[key].dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[key], value, **tolerance)


def test_loaded_network_is_frozen_and_owns_its_memory(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    path = save_official(state, tmp_path / "weights.pth", "plain")
    network = load_network("panda-tiny", path)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    path.write_bytes(b"\0" * path.stat().st_size)  # the file is not mapped into the network
    assert all(torch.isfinite(p).all() for p in network.parameters())
    assert network.encoder.norm.weight.abs().sum() > 0


def test_missing_file(tmp_path: Path) -> None:
    assert "no weights file" in str(_refusal(tmp_path / "none.pth"))


def test_missing_official_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="depth-perception weights fetch panda-small"):
        load_network("panda-small")


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.pth"
    path.touch()
    assert "is empty" in str(_refusal(path))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_corrupt_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(b"<html>404 not found</html>" * 50)
    assert "corrupt" in str(_refusal(path))


@pytest.mark.parametrize("fraction", [0.0005, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file(
    tmp_path: Path, state: dict[str, torch.Tensor], suffix: str, fraction: float
) -> None:
    path = tmp_path / f"part{suffix}"
    if suffix == ".pth":
        save_official(state, path, "plain")
    else:
        save_network(build_network("panda-tiny"), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    assert "truncated or corrupt" in str(_refusal(path)) or "corrupt" in str(_refusal(path))


def test_truncated_file_of_the_old_format(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "old.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert load_network("panda-tiny", path).lora_rank is None
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "corrupt" in str(_refusal(path))


class _Exploit:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("exploited"),))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_file_is_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    if writer == "torch":
        torch.save({"model": _Exploit()}, path)
    else:
        path.write_bytes(pickle.dumps(_Exploit()))
    assert "never executed" in str(_refusal(path))
    assert not (tmp_path / "exploited").exists()


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {}, {"epoch": 3}, {"model": {}}])
def test_file_without_parameters(tmp_path: Path, content: object) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    assert "parameters" in str(_refusal(path))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(
    tmp_path: Path, state: dict[str, torch.Tensor], value: float
) -> None:
    name = "core.pretrained.blocks.1.mlp.fc1.bias"
    broken = state[name].clone()
    broken[3] = value
    path = save_official({**state, name: broken}, tmp_path / "nan.pth", "plain")
    assert name in str(_refusal(path))


def test_all_differences_are_listed_at_once(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    lost = "core.depth_head.projects.2.bias"
    reshaped = "core.pretrained.norm.weight"
    changed = {name: value for name, value in state.items() if name != lost}
    changed[reshaped] = torch.ones(65)
    changed["core.extra.weight"] = torch.ones(2)
    changed["note"] = "not a tensor"
    error = _refusal(save_official(changed, tmp_path / "odd.pth", "plain"))
    assert error.missing == (lost,)
    assert error.unexpected == ("core.extra.weight", "note")
    assert error.misshapen == (reshaped,)
    for name in (lost, reshaped, "core.extra.weight", "note"):
        assert name in str(error)
    assert "1 parameters missing, 2 unexpected, 1 of another shape" in str(error)


def test_wrong_model_names_every_family_of_differences(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    save_network(build_network("panda-tiny-metric"), path)
    error = _refusal(path, "panda-tiny")
    assert "unexpected: core.pretrained.pyramid.fine.{0-1}.norm1.weight (48,)" in str(error)
    assert "blocks.{0-3}.mlp.fc1.weight (768, 192) in the file, (256, 64) here" in str(error)
    assert len(error.unexpected) + len(error.misshapen) > 100


def test_panda_file_does_not_load_into_depth_anything(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    """A third-party trap: dropped silently, the adapted projections would stay random."""
    path = save_official(state, tmp_path / "panda.pth", "data parallel")
    error = _refusal(path, "depth-anything-v2-small")
    assert "pretrained.blocks.0.attn.qkv.weight" in error.missing
    assert "pretrained.blocks.0.attn.qkv.linear_a_q.weight" in error.unexpected


def test_wrapping_prefix_is_only_removed_from_all_names(tmp_path: Path) -> None:
    path = tmp_path / "mixed.pth"
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert set(read_checkpoint(path)) == {"module.a", "b"}


def _saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "a.b."])
def test_a_prefix_of_all_names_is_removed(
    tmp_path: Path, state: dict[str, torch.Tensor], prefix: str
) -> None:
    content = {"model": {prefix + name: value for name, value in state.items()}, "epoch": 3}
    network = load_network("panda-tiny", _saved(tmp_path / "c.pth", content), merge_lora=False)
    names = network.official_names()
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[names[name]])


def test_names_inside_a_compiled_part_are_known(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    content = {name.replace("pretrained.", "pretrained._orig_mod."): v for name, v in state.items()}
    assert load_network("panda-tiny", _saved(tmp_path / "c.pth", content)) is not None


@pytest.mark.parametrize(
    "keys",
    [("model_state_dict",), ("net",), ("checkpoint", "model"), ("module",), ("ema", "state_dict")],
    ids=".".join,
)
def test_wrappings_of_training_scripts(
    tmp_path: Path, state: dict[str, torch.Tensor], keys: tuple[str, ...]
) -> None:
    content: dict[str, object] = dict(state)
    for key in reversed(keys):
        content = {key: content, "optimizer": {"state": {0: torch.ones(1)}, "param_groups": []}}
    path = _saved(tmp_path / "c.pth", content)
    if keys[0] == "checkpoint":  # no name that is known
        assert "holds no parameters" in str(_refusal(path))
    else:
        assert read_checkpoint(path).keys() == state.keys()


def test_averaged_parameters_are_preferred(tmp_path: Path) -> None:
    content = {"state_dict": {"a.b": torch.zeros(1)}, "state_dict_ema": {"a.b": torch.ones(1)}}
    assert read_checkpoint(_saved(tmp_path / "c.pth", content))["a.b"] == 1
    content["state_dict_ema"] = {"decay": 0.9}  # no parameters
    assert read_checkpoint(_saved(tmp_path / "c.pth", content))["a.b"] == 0


def test_a_file_that_wraps_itself_ends(tmp_path: Path) -> None:
    loop: dict[str, object] = {}
    loop["model"] = loop["ema"] = loop
    assert "parameters" in str(_refusal(_saved(tmp_path / "loop.pth", loop)))


class Config:  # of a training script
    pass


@pytest.mark.parametrize("old", [False, True])
def test_objects_of_trainers_are_skipped(
    tmp_path: Path, state: dict[str, torch.Tensor], old: bool
) -> None:
    content = {"model": state, "args": argparse.Namespace(lr=1), "where": Path("/tmp")}
    path = tmp_path / "theirs.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    assert read_checkpoint(path).keys() == state.keys()


def test_the_way_out_of_other_objects_works(
    tmp_path: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = str(_refusal(_saved(tmp_path / "theirs.pth", {"model": state, "args": Config()})))
    assert "test_checkpoints.Config" in text
    assert len(text.splitlines()) == 1
    exec(text[text.index("import torch") :])
    assert read_checkpoint(tmp_path / "parameters.pth").keys() == state.keys()


def test_a_module_around_the_network_is_named(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    content = {f"model.{name}": value for name, value in state.items()}
    content["loss.weight"] = torch.ones(1)
    text = str(_refusal(_saved(tmp_path / "c.pth", {"state_dict": content})))
    assert "with the prefix 'model.', besides 1 other entries" in text.splitlines()[0]


def test_values_that_a_file_does_not_have_are_not_computed(tmp_path: Path) -> None:
    name = "core.pretrained.norm.weight"
    for value in (
        torch.zeros(1).expand(10**12),
        torch.zeros(3).to_sparse(),
        torch.zeros(2, device="meta"),
        torch.ones(2).as_strided((10**6, 2), (0, 1)),
    ):
        text = str(_refusal(_saved(tmp_path / "c.pth", {"model": {name: value}})))
        assert "does not have the values of 1 parameters" in text


def test_a_compressed_file_must_not_expand_without_measure(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\x80\x02}q\x00." + bytes(100 << 20))
        archive.writestr("bomb/version", "3\n")
    assert "when expanded" in str(_refusal(path))


def test_an_entry_number_must_not_take_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "memo.pkl"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")  # entry 2 ** 31 - 1
    assert "entry number" in str(_refusal(path))


def test_thousands_of_names_give_a_short_error(tmp_path: Path) -> None:
    content = {f"{i:x}k{i * 7919 % 99991}\n.w": torch.zeros(()) for i in range(20_000)}
    text = str(_refusal(_saved(tmp_path / "names.pth", {"state_dict": content})))
    assert len(text) < 20_000
    assert "20000 unexpected" in text
    assert "and 19960 more groups of unexpected names" in text


class _Dtype:
    """An array of objects whose type says of itself that its values are plain bytes."""

    def __reduce__(self) -> tuple:
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)


class _Array:
    def __init__(self, *state: object) -> None:
        self.state = state

    def __reduce__(self) -> tuple:
        make = np.zeros(0).__reduce__()[0]
        return make, (np.ndarray, (0,), b"b"), (1, *self.state)


@pytest.mark.parametrize("model", ["panda-tiny", "panopticdepth-tiny"])
@pytest.mark.parametrize(
    "entry",
    [
        _Array((4,), _Dtype(), False, b"\1" * 32),
        np.array([{"a": 1}], dtype=object),
        _Array((2**40,), np.dtype("f4"), False, b"\0" * 16),
        _Array((-4,), np.dtype("f4"), False, b"\0" * 16),
        _Array("four", np.dtype("f4"), False, b"\0" * 16),
        _Array((4,), "f4", False, b"\0" * 16),
    ],
    ids=["forged", "objects", "huge", "negative", "text", "no type"],
)
@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_forged_arrays_are_rejected(tmp_path: Path, model: str, entry: object, writer: str) -> None:
    path, content = tmp_path / "forged.pkl", {"model": {"backbone.weight": entry}}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, 2))
    assert len(str(_refusal(path, model)).splitlines()) == 1


def test_arrays_are_parameters_as_well(tmp_path: Path) -> None:
    arrays = {
        "f": np.arange(6, dtype=np.float32).reshape(2, 3),
        "t": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "b": np.arange(3, dtype=">i4"),
        "s": np.float64(2.5),
    }
    for protocol in (2, 4):
        path = tmp_path / f"arrays{protocol}.pkl"
        path.write_bytes(pickle.dumps({"model": arrays}, protocol))
        state = read_checkpoint(path)
        for name, value in arrays.items():
            np.testing.assert_array_equal(state[name].numpy(), value)


def test_unknown_model_is_told_the_nearest_name() -> None:
    with pytest.raises(KeyError, match="did you mean 'panda-large'"):
        load_network("panda-larg")
