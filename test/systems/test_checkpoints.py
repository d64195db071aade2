"""Weights files: round trips, and every way in which a file can be wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

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
    assert len(error.missing) == 239
    assert len(error.unexpected) == len(state)


def test_wrapping_prefix_is_only_removed_from_all_names(tmp_path: Path) -> None:
    path = tmp_path / "mixed.pth"
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert set(read_checkpoint(path)) == {"module.a", "b"}


def test_unknown_model_lists_the_names() -> None:
    with pytest.raises(KeyError, match="panda-tiny-metric"):
        load_network("panda-huge")
