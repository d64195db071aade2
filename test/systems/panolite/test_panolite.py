"""PanoLite: its network, which knows no border, and its estimator."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from golden.fill import noise_image
from unlimited import run_unlimited

import depth_perception as dp
from depth_perception.ros.parameters.models import estimator_options, with_models
from depth_perception.systems import build_network, save_network
from depth_perception.systems.panolite.network import SphereConv, folded, pad_sphere

MODEL = "panolite-tiny"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network(MODEL)
    with torch.no_grad():
        network.head.weight.normal_(0, 0.1)
        network.head.bias[8:] = 0  # some pixels are valid
    path = tmp_path_factory.mktemp("panolite") / "tiny.safetensors"
    save_network(network, path)
    return path


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 1, 0, 1), (1, 2, 1, 2), (0, 0, 2, 0)])
def test_padding_is_what_lies_beyond_the_borders_and_its_gradient_is_exact(
    pads: tuple[int, int, int, int],
) -> None:
    above, below, left, right = pads
    x = torch.rand(2, 3, 6, 8, dtype=torch.float64)
    padded = pad_sphere(x, *pads)
    assert padded.shape == (2, 3, 6 + above + below, 8 + left + right)
    for row in range(-above, 6 + below):
        for column in range(-left, 8 + right):
            over = row < 0 or row > 5  # the same row seen across the pole, half a turn away
            source = (-1 - row if row < 0 else 11 - row) if over else row
            expected = x[..., source, (column + 4 * over) % 8]
            assert torch.equal(padded[..., row + above, column + left], expected)
    x.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda v: pad_sphere(v, *pads), x)


def test_folding_keeps_the_encoder_except_at_borders() -> None:
    torch.manual_seed(0)
    encoder = timm.create_model("tf_mobilenetv3_small_minimal_100", features_only=True).eval()
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    image = torch.rand(1, 3, 128, 256)
    with torch.no_grad():
        before = encoder(image)[2]
        after = folded(encoder)(image)[2]
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in encoder.modules())
    assert any(isinstance(m, SphereConv) for m in encoder.modules())
    inner = (..., slice(5, -5), slice(5, -5))
    torch.testing.assert_close(after[inner], before[inner], atol=1e-4, rtol=1e-4)


def test_turning_the_panorama_turns_the_range(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", output_size="input")
    picture = noise_image(96, 192, 1)
    plain, turned = estimator(picture), estimator(np.roll(picture, 96, 1))
    torch.testing.assert_close(turned.values, plain.values.roll(96, 1), atol=1e-5, rtol=1e-4)
    assert plain.values.std() > 1e-3


def test_range_is_proportional_to_the_camera_height(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", output_size="network")
    picture = noise_image(64, 128, 0)
    high, low = estimator(picture), estimator.with_options(camera_height_m=0.3)(picture)
    assert high.is_metric
    assert high.kind is dp.DepthKind.RANGE
    torch.testing.assert_close(low.depth * 5, high.depth)
    torch.testing.assert_close(low.sigma, high.sigma)
    assert high.sigma.shape == high.values.shape == (64, 128)
    assert (high.sigma > 0).all()
    assert 0 < high.valid.float().mean() < 1
    assert torch.equal(high.to("cpu").sigma, high.sigma)


@pytest.mark.parametrize("height", [160, 512])
def test_sizes_and_partial_panoramas(checkpoint: Path, height: int) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=height, output_size="network", flip=True)
    assert estimator(noise_image(64, 128, 2)).values.shape == (height, 2 * height)
    camera = dp.Equirectangular.partial(50, 130, math.radians(130), math.radians(50))
    part = estimator(noise_image(50, 130, 2), camera)
    assert part.values.shape == (round(height * 50 / 180), round(height * 130 / 180))
    assert part.camera == camera.resize(*part.values.shape)
    whole = estimator.with_options(output_size="input")(noise_image(50, 130, 2), camera)
    assert whole.values.shape == (50, 130)


def test_the_node_has_one_camera_height() -> None:
    from depth_perception.ros.nodes.panoramic import PanoramicSettings

    settings = with_models(PanoramicSettings, lambda card: True)(model=MODEL)
    assert "panolite" not in settings.model_groups
    object.__setattr__(settings.scale, "camera_height_m", 0.4)
    assert estimator_options(settings)["camera_height_m"] == 0.4


_COMPARE = """
import numpy as np, sys, torch
import depth_perception as dp
model, checkpoint, backend, image = sys.argv[1:]
picture = np.load(image)
plain, other = (dp.load(model, checkpoint, "cpu", backend=b)(picture) for b in ("torch", backend))
torch.testing.assert_close(other.values, plain.values, atol=1e-3, rtol=1e-3)
"""


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_backends(backend: str, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    np.save(tmp_path / "image.npy", noise_image(64, 128, 3))
    args = (MODEL, str(checkpoint), backend, str(tmp_path / "image.npy"))
    run_unlimited(_COMPARE, *args, graphs=tmp_path)
    assert list(tmp_path.glob(f"*-{backend}-*")), "a graph was made and kept"
