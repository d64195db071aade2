"""DAP from a file to a prediction."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from golden.cases import cases
from golden.fill import noise_image
from golden.kinds.dap import official_file

import depth_perception as dp
from depth_perception.geometry import Equirectangular
from depth_perception.systems import CheckpointError, load_network, save_network
from depth_perception.systems.dap.network import unlucky_side

MODEL = "dap-tiny"
IMAGE = noise_image(96, 192, 6)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (case,) = cases("dap", "run_infer_tiny_96x192")
    return official_file(case, tmp_path_factory.mktemp("dap"))


def test_the_prediction_is_metres_and_says_what_is_too_far(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=96, normalise=False, seam="off")
    prediction = estimator(IMAGE)
    assert prediction.is_metric
    assert prediction.kind is dp.DepthKind.RANGE
    assert 0 < prediction.depth.min() < prediction.depth.max() < 100
    assert prediction.values.is_contiguous()
    share = 1 - float(prediction.valid.float().mean())
    assert share == pytest.approx(0.10975, abs=1e-4)  # of the original
    assert prediction.points()[~prediction.valid].isnan().all()
    resized = estimator(noise_image(60, 120, 1))
    assert resized.valid.shape == (60, 120)
    both = estimator.with_options(seam="blend", flip=True)(IMAGE)
    assert both.valid.shape == (96, 192)


def test_normalised_input_is_the_default(checkpoint: Path) -> None:
    plain, normalised = (
        dp.load(MODEL, checkpoint, "cpu", height=96, **options)(IMAGE).values
        for options in ({"normalise": False}, {})
    )
    assert not torch.allclose(plain, normalised, atol=1.0)


def test_grids_that_the_original_garbles_are_avoided(checkpoint: Path) -> None:
    assert [unlucky_side(grid) for grid in ((5, 10), (29, 58), (32, 64), (1, 1))] == [
        7, 41, None, None,
    ]  # fmt: skip
    estimator = dp.load(MODEL, checkpoint, "cpu", height=80)
    assert estimator.input_size(Equirectangular(512, 1024)) == (96, 192)
    assert estimator.with_options(height=512).input_size(Equirectangular(60, 120)) == (512, 1024)


def test_a_partial_panorama_lies_in_a_sphere_of_that_size(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=80, output_size="network")
    camera = Equirectangular.partial(60, 192, 2 * math.pi, math.radians(112.5))
    assert estimator.input_size(camera) == (60, 192)  # of 96 x 192, not of 80 x 160
    assert estimator(noise_image(60, 192, 3), camera).values.shape == (60, 192)


def test_half_precision_keeps_the_periods(checkpoint: Path) -> None:
    exact = dp.load(MODEL, checkpoint, "cpu", height=96)
    half = dp.load(MODEL, checkpoint, "cpu", height=96, precision="bfloat16")
    assert torch.equal(half.network.encoder.periods, exact.network.encoder.periods)
    assert half.network.encoder.cls_token.dtype == torch.bfloat16
    torch.testing.assert_close(half(IMAGE).values, exact(IMAGE).values, atol=8, rtol=0)


def test_wrapped_files_and_either_name_of_a_block_load(checkpoint: Path, tmp_path: Path) -> None:
    network = load_network(MODEL, checkpoint)
    state = torch.load(checkpoint)
    second = {name for name in state if name.startswith("core.pretrained.blocks.")}
    assert second
    less = {name: value for name, value in state.items() if name not in second}
    only = {k: v for k, v in state.items() if ".model.blocks." not in k}
    save_network(network, tmp_path / "own.safetensors")
    torch.save({f"module.{k}": v for k, v in less.items()} | {"epoch": 3}, tmp_path / "a.pth")
    torch.save(only, tmp_path / "b.pth")
    for name in ("own.safetensors", "a.pth", "b.pth"):
        other = load_network(MODEL, tmp_path / name)
        for one, two in zip(
            network.state_dict().values(), other.state_dict().values(), strict=True
        ):
            assert torch.equal(one, two)


def test_wrong_files_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint)
    mask = "core.pretrained.model.blocks.1.attn.qkv.bias_mask"
    torch.save({**state, mask: torch.full_like(state[mask], torch.nan)}, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=f"NaN or infinite values.*\n.*{mask}"):
        load_network(MODEL, tmp_path / "nan.pth")
    renamed = {k.replace("core.", "wrong."): v for k, v in state.items()}
    torch.save(renamed, tmp_path / "prefix.pth")
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, tmp_path / "prefix.pth")
    assert "core.pretrained.norm.weight" in caught.value.missing
    assert "wrong.pretrained.norm.weight" in caught.value.unexpected
