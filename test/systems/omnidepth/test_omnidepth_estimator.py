"""OmniDepth from a file to a prediction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.blindspot_reference import case
from golden.fill import noise_image

import depth_perception as dp
from depth_perception.systems import OmniDepthEstimator, build_network, card, save_network
from depth_perception.systems.sphere_part import part_of_sphere

MODEL = "omnidepth-rectnet-tiny"
PANORAMA = noise_image(64, 128, 0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("omnidepth") / "tiny.safetensors"
    save_network(build_network(MODEL), path)
    return path


def test_published_file_gives_the_ranges_of_the_original(tmp_path: Path) -> None:
    golden = case("rectnet-64x128")
    state = {f"module.{name}": value for name, value in golden.state().items()}
    torch.save({"epoch": 0, "state_dict": state}, tmp_path / "rectnet.pth")
    estimator = dp.load("omnidepth-rectnet", tmp_path / "rectnet.pth", "cpu", height=64, seam="off")
    assert isinstance(estimator, OmniDepthEstimator)
    prediction = estimator(golden.pictures()[0])
    golden.assert_close(prediction.values[None, None], "out_pred_1x")
    assert prediction.is_metric
    assert prediction.kind is dp.DepthKind.RANGE
    assert torch.equal(prediction.valid, (prediction.values > 0) & (prediction.values < 8))
    assert 0 < prediction.valid.float().mean() < 1


def test_ranges_beyond_the_training_are_not_valid(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu")
    bias = estimator.network.decoder.heads[1].bias
    bias += 20
    prediction = estimator(PANORAMA)
    assert prediction.values.mean() > 15
    assert prediction.valid.all()  # the small network has seen nothing and knows no limit
    limited = OmniDepthEstimator(card("omnidepth-rectnet"), estimator.network)
    assert not limited(PANORAMA).valid.any()
    bias -= 40
    assert not estimator(PANORAMA).valid.any()


def test_turning_the_panorama_turns_the_ranges(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", seam="circular", height=64)
    picture = noise_image(96, 192, 1)
    plain, turned = estimator(picture), estimator(np.roll(picture, 48, 1))
    torch.testing.assert_close(turned.values, plain.values.roll(48, 1), atol=1e-5, rtol=1e-5)
    published = estimator.with_options(seam="off")
    plain, turned = published(picture), published(np.roll(picture, 48, 1))
    assert (turned.values - plain.values.roll(48, 1)).abs().max() > 1e-3


def test_partial_panoramas_and_sizes(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=64, output_size="network", flip=True)
    camera = dp.Equirectangular.partial(50, 130, math.radians(130), math.radians(50))
    prediction = estimator(noise_image(50, 130, 2), camera)
    rows, columns = prediction.values.shape
    sphere = part_of_sphere(camera, 64, 128)
    assert (rows, columns) == (sphere.rows, sphere.columns)
    assert prediction.camera == camera.resize(rows, columns)
    with pytest.raises(ValueError, match="Equirectangular"):
        estimator(PANORAMA, dp.Pinhole.from_fov(64, 128, 1.0))
    estimator.warm_up(64, 128)


def test_half_precision_of_the_encoder(checkpoint: Path) -> None:
    full = dp.load(MODEL, checkpoint, "cpu")(PANORAMA)
    half = dp.load(MODEL, checkpoint, "cpu", precision="bfloat16")(PANORAMA)
    assert half.values.dtype == torch.float32
    torch.testing.assert_close(half.values, full.values, atol=0.05, rtol=0.1)
