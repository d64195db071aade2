"""Several images in one run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.ppd_reference import case

import depth_perception as dp
from depth_perception.systems import (
    DenseEstimator,
    MogeEstimator,
    MogeOptions,
    PpdEstimator,
    PpdOptions,
    build_network,
    card,
)
from depth_perception.systems.moge.config import MogeConfig
from depth_perception.systems.moge.network import Moge
from depth_perception.systems.ppd.network import PixelPerfectDepth
from depth_perception.systems.ppd.semantics import MogeSemantics

IMAGES = [noise_image(80, 120, seed) for seed in (1, 2)]
CAMERA = dp.Pinhole.from_fov(80, 120, 1.0)


@pytest.fixture(scope="module")
def moge() -> Moge:
    reference = case("moge-tiny-infer")
    network = Moge(MogeConfig.from_mapping(reference.entry["constructor"])).eval()
    network.load_state_dict(reference.state())
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def ppd(moge: Moge) -> PpdEstimator:
    torch.manual_seed(0)
    dit = build_network("ppd-tiny")
    for parameter in dit.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    network = PixelPerfectDepth(dit, MogeSemantics(moge.encoder)).requires_grad_(False)
    options = PpdOptions(max_pixels=48 * 64, steps=1, num_tokens=30, align="none")
    return PpdEstimator(card("ppd-tiny"), network, moge, options=options)


def _assert_equal(estimator: DenseEstimator, images: list, cameras: list) -> None:
    together = estimator.batch(images, cameras)
    assert len(together) == len(images)
    for image, camera, found in zip(images, cameras, together, strict=True):
        alone = estimator(image, camera)
        assert torch.equal(alone.valid, found.valid)
        both = alone.valid
        torch.testing.assert_close(found.values[both], alone.values[both], atol=2e-4, rtol=2e-4)
        assert type(found.camera) is type(alone.camera)
        torch.testing.assert_close(found.camera.rays(), alone.camera.rays(), atol=1e-6, rtol=0)
        assert found.scale is alone.scale


def test_a_batch_equals_single_runs_of_ppd(ppd: PpdEstimator) -> None:
    _assert_equal(ppd, IMAGES, [None, CAMERA])


def test_a_batch_equals_single_runs_of_moge(moge: Moge) -> None:
    estimator = MogeEstimator(card("moge-2-tiny"), moge, options=MogeOptions(num_tokens=30))
    for size in ("network", "input"):
        _assert_equal(estimator.with_options(output_size=size), IMAGES, [CAMERA, CAMERA])


@pytest.mark.parametrize("options", [{}, {"flip": True, "seam": "blend"}])
def test_a_batch_equals_single_runs_of_panoramas(options: dict) -> None:
    torch.manual_seed(0)
    network = build_network("panda-tiny").requires_grad_(False)
    estimator = DenseEstimator(card("panda-tiny"), network).with_options(height=28, **options)
    _assert_equal(estimator, [noise_image(40, 80, seed) for seed in (1, 2, 3)], [None] * 3)


def test_batches_that_do_not_fit_are_refused(ppd: PpdEstimator) -> None:
    assert ppd.batch([]) == ()
    with pytest.raises(ValueError, match="one size"):
        ppd.batch([IMAGES[0], IMAGES[1][:50]])
    with pytest.raises(ValueError, match="2 images but 1 cameras"):
        ppd.batch(IMAGES, [None])


def test_moge_honours_the_output_size(moge: Moge) -> None:
    image = noise_image(80, 120, 3)
    estimator = MogeEstimator(card("moge-2-tiny"), moge, options=MogeOptions(num_tokens=30))
    whole = estimator.with_options(output_size="input")(image, CAMERA)
    small = estimator.with_options(output_size="network")(image, CAMERA)
    assert tuple(whole.values.shape) == (80, 120)
    assert tuple(small.values.shape) == (4 * 14, 7 * 14)  # the token grid of 3:2 with 30 tokens
    assert small.camera == CAMERA.resize(56, 98)
    ratio = small.depth[small.valid].median() / whole.depth[whole.valid].median()
    assert float(ratio) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("steps", [1, 2, 7, 29, 49, 50])
def test_steps_are_evaluations(ppd: PpdEstimator, steps: int) -> None:
    calls = []
    hook = ppd.network.dit.blocks[0].attn.qkv.register_forward_hook(lambda *_: calls.append(1))
    small = ppd.with_options(steps=steps, max_pixels=16 * 16)
    small(np.zeros((16, 16, 3), np.uint8), dp.Pinhole.from_fov(16, 16, 1.0))
    hook.remove()
    assert len(calls) == steps


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (48, 64)])
@pytest.mark.parametrize("level", [0, 255])
def test_images_without_content(ppd: PpdEstimator, moge: Moge, shape: tuple, level: int) -> None:
    image = np.full((*shape, 3), level, np.uint8)
    metric = MogeEstimator(card("moge-2-tiny"), moge, options=MogeOptions(num_tokens=30))
    for estimator in (ppd.with_options(align="robust"), metric):
        prediction = estimator.with_options(output_size="input")(image)
        assert tuple(prediction.values.shape) == shape
        assert torch.isfinite(prediction.values[prediction.valid]).all()
        assert prediction.is_metric or prediction.note


def test_images_of_floats_are_refused_before_the_network(ppd: PpdEstimator) -> None:
    with pytest.raises(TypeError, match="uint8"):
        ppd(np.full((48, 64, 3), np.nan, np.float32))
