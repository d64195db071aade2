"""DA2 from a file to a prediction."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from golden.cases import cases
from golden.fill import noise_image
from golden.kinds.da2 import official_file

import depth_perception as dp
from depth_perception.geometry import Equirectangular
from depth_perception.systems import CheckpointError, load_network
from depth_perception.systems.da2.estimator import quantile
from depth_perception.systems.da2.sphere import WHOLE, View, directions

MODEL = "da2-tiny"
IMAGES = [noise_image(80, 160, seed) for seed in (30, 31)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (case,) = cases("da2", "run_tiny_noise_80x160")
    return official_file(case, tmp_path_factory.mktemp("da2"))


def test_the_prediction_is_range_up_to_a_factor(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=70, output_size="network")
    prediction = estimator(IMAGES[0])
    assert prediction.scale is dp.ScaleKind.SCALE_INVARIANT
    assert (prediction.kind, prediction.space) == (dp.DepthKind.RANGE, dp.DepthSpace.DEPTH)
    assert prediction.values.shape == (70, 140)
    assert float(prediction.depth.quantile(0.98)) == pytest.approx(1, abs=1e-4)
    assert prediction.valid.all()


def test_images_of_a_batch_do_not_change_each_other(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=70, seam="circular", flip=True)
    for image, found in zip(IMAGES, estimator.batch(IMAGES), strict=True):
        torch.testing.assert_close(found.values, estimator(image).values, atol=1e-4, rtol=1e-4)


def test_parts_of_the_sphere_have_their_own_directions(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=140, output_size="input")
    assert estimator._view(Equirectangular(80, 160)) == {}
    part = Equirectangular(80, 160).crop(20, 100, 40, 80)
    assert estimator._view(part) == {
        "view": pytest.approx((-math.pi / 2, math.pi / 2, -math.pi / 4, math.pi / 4))
    }
    assert estimator(IMAGES[0][20:60, :80], part).values.shape == (40, 80)
    other = Equirectangular.partial(80, 160, math.pi, math.pi / 2)
    with pytest.raises(ValueError, match="same angles of view"):
        estimator.batch([IMAGES[0]] * 2, [None, other])


def test_directions_are_those_of_the_camera() -> None:
    rays = Equirectangular(14, 28).rays(dtype=torch.float64)
    torch.testing.assert_close(directions(14, 28, WHOLE), rays, atol=2e-5, rtol=0)
    part = View(-1.0, 1.0, -0.5, 0.25)
    camera = Equirectangular(14, 28, *part)
    torch.testing.assert_close(
        directions(14, 28, part, 7), camera.rays(dtype=torch.float64)[::7, ::7]
    )


@pytest.mark.parametrize("count", [1, 2, 51, 400])
def test_quantiles_are_those_of_torch(count: int) -> None:
    values = torch.randn(3, count, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(quantile(values, 0.98), values.quantile(0.98, 1))


def test_wrong_files_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(checkpoint)
    unused = "vit_w_esphere._vit_w_esphere.to_confidence_hr.0.weight"
    save_file({k: v for k, v in state.items() if k != unused}, tmp_path / "less.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, tmp_path / "less.safetensors")
    assert caught.value.missing == (unused,)
    with pytest.raises(CheckpointError, match="of another shape"):
        load_network("da2-large", checkpoint)
