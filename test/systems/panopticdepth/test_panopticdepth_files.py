"""Files of PanopticDepth, as Detectron2 and others write them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.panopticdepth_reference import case, manifest

from depth_perception.systems import CheckpointError, card, load_network, save_network
from depth_perception.systems.checkpoints import read_checkpoint
from depth_perception.systems.panopticdepth.config import PanopticDepthConfig
from depth_perception.systems.panopticdepth.files import (
    load_imagenet,
    load_panoptic,
    load_segmentation,
)
from depth_perception.systems.panopticdepth.network import DEPTH_PARTS, PanopticDepth

NARROW = {
    "stem": 8,
    "bottleneck": 8,
    "stage": 16,
    "pyramid": 32,
    "head": 32,
    "blocks": (1, 1, 2, 1),
}
MODEL = "panopticdepth-tiny"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return case("net-tiny-dps").state()


def official(network: PanopticDepth) -> dict[str, torch.Tensor]:
    names = network.official_names()
    return {names[name]: value.clone() for name, value in network.state_dict().items()}


def narrow(seed: int = 0, **changes: object) -> PanopticDepth:
    torch.manual_seed(seed)
    return PanopticDepth(PanopticDepthConfig(**(NARROW | changes)))


def assert_same(network: PanopticDepth, state: dict[str, torch.Tensor]) -> None:
    for name, value in official(network).items():
        assert torch.equal(value, state[name]), name


def test_every_wrapping_loads(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    arrays = {name: value.numpy() for name, value in state.items()}
    rest = {"iteration": 9999, "optimizer": {"state": {0: {"step": 3.0}}}, "best": np.float64(3)}
    for number, content in enumerate(
        (
            state,
            {f"module.{name}": value for name, value in state.items()},
            {"model": state, "iteration": 9999, "trainer": {"hooks": {}}},
            {"model": arrays, **rest},
            {"model": {f"module.{name}": value for name, value in arrays.items()}},
        )
    ):
        torch.save(content, tmp_path / f"{number}.pth")
        assert_same(load_network(MODEL, tmp_path / f"{number}.pth"), state)
    for protocol in (2, 4):
        path = tmp_path / f"model_{protocol}.pkl"
        content = {"model": arrays, "__author__": "someone", "matching_heuristics": True}
        path.write_bytes(pickle.dumps(content, protocol))
        assert_same(load_network(MODEL, path), state)
    save_network(load_network(MODEL, tmp_path / "0.pth"), tmp_path / "own.safetensors")
    assert_same(load_network(MODEL, tmp_path / "own.safetensors"), state)


class _Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("ending", ["pth", "pkl"])
def test_code_in_a_file_is_not_run(
    tmp_path: Path, ending: str, state: dict[str, torch.Tensor]
) -> None:
    content = {
        "model": {name: value.numpy() for name, value in state.items()},
        "trainer": _Exploit(tmp_path / "exploited"),
    }
    path = tmp_path / f"evil.{ending}"
    if ending == "pth":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(CheckpointError, match="never executed"):
        load_network(MODEL, path)
    assert not (tmp_path / "exploited").exists()


def test_wrong_files_are_told(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError, match="no weights file"):
        read_checkpoint(tmp_path / "none.pth")
    path = tmp_path / "part.pkl"
    path.write_bytes(pickle.dumps({"model": {"a": np.ones(900)}}, 2)[:-400])
    with pytest.raises(CheckpointError, match="part"):
        read_checkpoint(path)
    for content, words in (
        ({"model": {"a": np.array([np.nan])}}, "NaN"),
        ({"model": {"a": "text"}}, "no parameters"),
    ):
        path.write_bytes(pickle.dumps(content, 2))
        with pytest.raises(CheckpointError, match=words):
            read_checkpoint(path)
    other = dict(state)
    other["position_head.out_sem.weight"] = torch.zeros(3)
    del other["backbone.fpn_lateral2.bias"]
    torch.save({"model": other | {"proposal_generator.x": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, path)
    assert caught.value.missing == ("backbone.fpn_lateral2.bias",)
    assert caught.value.unexpected == ("proposal_generator.x",)
    assert caught.value.misshapen == ("position_head.out_sem.weight",)


def test_norms_of_the_stages_of_training_fit_each_other(tmp_path: Path) -> None:
    first = narrow(norm="batch", depth=False)
    first.backbone.stem.norm.running_mean += 3
    torch.save({"model": official(first)}, tmp_path / "first.pth")
    second = narrow(1, depth=False)
    load_panoptic(second, tmp_path / "first.pth")
    assert_same(second, official(first))
    torch.save({"model": official(second)}, tmp_path / "second.pth")
    again = narrow(2, norm="batch", depth=False)
    load_panoptic(again, tmp_path / "second.pth")
    assert_same(again, official(first))
    # the third stage begins with the second, its depth branch with nothing
    third, untouched = narrow(3), narrow(3)
    load_segmentation(third, tmp_path / "first.pth")
    for name, value in third.state_dict().items():
        source = untouched if name.startswith(DEPTH_PARTS) else second
        assert torch.equal(value, source.state_dict()[name]), name
    with pytest.raises(CheckpointError, match="missing"):
        load_panoptic(third, tmp_path / "first.pth")
    torch.save(official(third), tmp_path / "third.pth")
    with pytest.raises(CheckpointError, match="unexpected"):
        load_segmentation(second, tmp_path / "third.pth")


def test_resnet_of_imagenet_starts_a_training(tmp_path: Path) -> None:
    network, torch_images = narrow(), torch.randn(1, 3, 32, 32)
    entries, rng = {}, np.random.default_rng(0)
    parts = {"shortcut": "branch1", "conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c"}
    scales = {}
    for name, value in network.backbone.state_dict().items():
        bits = name.split(".")
        kind = "w" if bits[-2] != "norm" else {"weight": "s", "bias": "b"}.get(bits[-1])
        if kind is None:
            continue
        norm = "_bn" if bits[-2] == "norm" else ""
        if bits[0] == "stem":
            target = f"res_conv1_bn_{kind}" if norm else "conv1_w"
        else:
            target = f"res{int(bits[1]) + 2}_{bits[2]}_{parts[bits[3]]}{norm}_{kind}"
        entries[target] = rng.normal(size=value.shape).astype(np.float32)
        scales[name] = torch.from_numpy(entries[target])
    entries |= {"pred_w": np.ones((10, 4)), "conv1_w_momentum": np.ones(2)}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(entries, 2))
    load_imagenet(network, tmp_path / "R-50.pkl")
    for name, value in scales.items():
        assert torch.equal(network.backbone.state_dict()[name], value)
    conv = network.backbone.stem
    plain = torch.nn.functional.conv2d(torch_images, conv.weight, None, 2, 3)
    expected = plain * scales["stem.norm.weight"][:, None, None]
    expected = expected + scales["stem.norm.bias"][:, None, None]
    torch.testing.assert_close(conv(torch_images), expected, atol=1e-4, rtol=1e-4)
    del entries["conv1_w"]
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(entries, 2))
    with pytest.raises(CheckpointError, match="missing"):
        load_imagenet(network, tmp_path / "R-50.pkl")


def test_cards_count_the_values_of_the_files() -> None:
    for name, variant in ((MODEL, "tiny-dps"), ("panopticdepth-r50", "dps-r50")):
        count = sum(int(np.prod(shape)) for shape, _ in manifest(variant).values())
        assert card(name).parameters == count
    count = sum(int(np.prod(shape)) for shape, _ in manifest("ps-r50").values())
    assert card("panopticdepth-r50-seg").parameters == count
