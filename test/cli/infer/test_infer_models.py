"""Every system of feed-forward depth: the command gives what the library gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bright_segments import ground_da3

import depth_perception as dp
from depth_perception.geometry import Pinhole
from depth_perception.io.images import read_image
from depth_perception.systems import build_network, card, save_network

MODELS = {
    "da360-tiny": {"height": 28},
    "dap-tiny": {"height": 32},
    "da2-tiny": {"height": 28},
    "da3-tiny": {"process_res": 28},
    "moge-2-tiny": {"num_tokens": 40},
    "panolite-tiny": {"height": 32},
}


@pytest.mark.parametrize("name", MODELS)
def test_the_command_gives_what_the_library_gives(
    name: str, tmp_path: Path, infer: Callable[..., int], picture: Callable[..., Path]
) -> None:
    torch.manual_seed(0)
    network = ground_da3() if name == "da3-tiny" else build_network(name)
    if name == "dap-tiny":
        network.mask.out[2].bias.data.fill_(-2.0)  # near enough to be valid
    weights, source = tmp_path / "weights.file", picture(tmp_path / "room.png")
    if name.startswith("moge"):
        weights = _moge_file(network, tmp_path / "moge.pt")
    else:
        save_network(network, weights)
    options = MODELS[name]
    flags = [part for key, value in options.items()
             for part in (f"--{key.replace('_', '-')}", value)]  # fmt: skip
    is_pinhole = card(name).camera == "pinhole"
    flags += ["--fov", "70"] if is_pinhole else []
    chosen = ("--model", name, "--checkpoint", weights, "--device", "cpu")
    raw = "npy"
    assert infer(source, *chosen, *flags, "--raw", raw) == 0
    camera = Pinhole.from_fov(32, 64, np.radians(70)) if is_pinhole else None
    estimator = dp.load(name, weights, "cpu", output_size="network", **options)
    prediction = estimator(read_image(source), camera)
    assert prediction.valid.any()
    found = np.load(tmp_path / "out" / "room_depth.npy")
    expected = torch.where(prediction.valid, prediction.depth, torch.nan).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def _moge_file(network: torch.nn.Module, path: Path) -> Path:
    from golden.ppd_reference import case

    moge = case("moge-tiny-infer")
    torch.save({"model_config": moge.entry["constructor"], "model": moge.state()}, path)
    return path
