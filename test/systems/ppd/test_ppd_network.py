"""Pixel-Perfect Depth from picture to relative depth, against the original."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.ppd_reference import Case, case
from torch import Tensor

from depth_perception.layers import VitEncoder
from depth_perception.systems.moge.config import MogeConfig
from depth_perception.systems.moge.network import Moge
from depth_perception.systems.ppd.flow import noise_field
from depth_perception.systems.ppd.input import ppd_resize, ppd_size
from depth_perception.systems.ppd.network import PixelPerfectDepth
from depth_perception.systems.ppd.semantics import DepthAnythingSemantics, MogeSemantics
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig

TINY = SpDitConfig(dim=64, depth=4, heads=4)


def _part(reference: Case, prefix: str) -> dict[str, Tensor]:
    state = reference.state()
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


@pytest.fixture(scope="module")
def network() -> PixelPerfectDepth:
    reference = case("ppd-tiny-infer")
    dit = SpDit(TINY)
    dit.load_state_dict(_part(reference, "dit."))
    encoder = VitEncoder(1024, 1, 16, (0,))
    encoder.load_state_dict(_part(reference, "pretrained."))
    network = PixelPerfectDepth(dit, DepthAnythingSemantics(encoder))
    return network.eval().requires_grad_(False)


def _noise(reference: Case) -> Tensor:
    source = reference.entry["noise"]
    stream = np.random.RandomState(zlib.crc32(source["text"].encode()))
    return torch.from_numpy(stream.standard_normal(source["shape"]).astype(np.float32))


def _images(pixels: Tensor) -> Tensor:
    return pixels.permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("name", ["ppd-tiny-infer", "ppd-tiny-infer-down"])
def test_inference_matches_the_original(name: str, network: PixelPerfectDepth) -> None:
    reference = case(name)
    noise, steps = _noise(reference), reference.options["sampling_steps"]
    torch.testing.assert_close(noise, reference["in_noise"])
    width, height = reference.options["target_area"]
    image = torch.from_numpy(reference.image)
    size = ppd_size(*image.shape[:2], width * height)
    assert list(size) == reference["out_resized_shape"].tolist()
    pixels = ppd_resize(image, size)
    grey_levels = (pixels.float() - reference["out_resized_rgb"]).abs()
    assert grey_levels.max() <= 1
    images = _images(reference["out_resized_rgb"])
    reference.assert_close(network.semantics(images), "out_semantics")
    depth = network(images, noise, steps)
    reference.assert_close(depth, "out_depth")
    assert (network(_images(pixels), noise, steps) - depth).abs().max() < 0.02
    original_size = torch.nn.functional.interpolate(
        depth, image.shape[:2], mode="bilinear", align_corners=False
    )
    reference.assert_close(original_size, "out_depth_original_size")


def test_the_full_area_matches_the_original(network: PixelPerfectDepth) -> None:
    reference = case("ppd-tiny-infer-1024x768")
    pixels = ppd_resize(torch.from_numpy(reference.image), (768, 1024))
    assert (pixels[::8, ::8].float() - reference["out_resized_rgb"]).abs().max() <= 1
    noise, steps = _noise(reference), reference.options["sampling_steps"]
    depth = network(_images(pixels), noise, steps)[0, 0]
    reference.assert_close(depth[::8, ::8], "out_depth")
    original_size = torch.nn.functional.interpolate(
        depth[None, None], reference.image.shape[:2], mode="bilinear", align_corners=False
    )
    reference.assert_close(original_size[0, 0, ::8, ::8], "out_depth_original_size")


def test_size_rule_matches_the_original() -> None:
    reference = case("preprocess-resize")
    sizes = [ppd_size(int(h), int(w)) for h, w in reference["in_sizes"]]
    assert torch.equal(torch.tensor(sizes).float(), reference["out_resized_sizes"])


@pytest.mark.parametrize(
    ("name", "height", "width", "seed"),
    [("a", 60, 80, 3), ("b", 1000, 1400, 4), ("c", 900, 800, 5)],
)
def test_resampling_matches_the_original(name: str, height: int, width: int, seed: int) -> None:
    reference = case("preprocess-resize")
    image = torch.from_numpy(noise_image(height, width, seed))
    resized = ppd_resize(image, ppd_size(height, width))
    assert list(resized.shape[:2]) == reference[f"out_{name}_shape"].tolist()
    reference.assert_close(resized[::16, ::16], f"out_{name}_every16")
    mean = resized.float().mean((0, 1))
    torch.testing.assert_close(mean, reference[f"out_{name}_channel_mean"], atol=0.05, rtol=0)


@pytest.mark.parametrize("size", [(30, 40), (48, 64), (90, 120), (112, 96), (80, 128)])
def test_resampling_matches_opencv(size: tuple[int, int]) -> None:
    image = noise_image(100, 120, 9)
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    expected = cv2.resize(image, size[::-1], interpolation=method).astype(int)
    found = ppd_resize(torch.from_numpy(image), size).numpy().astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("name", ["da2-tiny-semantics", "da2-tiny-semantics-2"])
def test_depth_anything_semantics_match_the_original(name: str) -> None:
    reference = case(name)
    encoder = VitEncoder(64, 3, 4, (2,))
    encoder.load_state_dict(_part(reference, "pretrained."))
    semantics = DepthAnythingSemantics(encoder)
    with torch.no_grad():
        network_input = semantics.network_input(reference["in_image"])
        reference.assert_close(network_input, "out_network_input")
        reference.assert_close(encoder.embed(network_input), "out_tokens_in")
        reference.assert_close(semantics(reference["in_image"]), "out_semantics")


def test_moge_semantics_match_the_original() -> None:
    reference = case("moge-tiny-semantics")
    moge = Moge(MogeConfig.from_mapping(reference.entry["constructor"]))
    moge.load_state_dict(reference.state())
    with torch.no_grad():
        tokens = MogeSemantics(moge.encoder)(reference["in_image"])
    reference.assert_close(tokens, "out_semantics")


@pytest.mark.parametrize("steps", [1, 2, 29, 49])
def test_s_steps_are_s_evaluations_of_the_network(
    network: PixelPerfectDepth, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    velocity = network.dit.velocity
    monkeypatch.setattr(
        network.dit, "velocity", lambda *inputs: calls.append(1) or velocity(*inputs)
    )
    network(torch.rand(1, 3, 16, 32), noise_field(16, 32, 0), steps)
    assert len(calls) == steps


def test_a_schedule_is_made_once_and_anew_for_new_parameters(network: PixelPerfectDepth) -> None:
    with torch.no_grad():
        first = network.schedule((1000, 500))
        assert network.schedule((1000, 500)) is first
        network.dit.t_embedder.mlp[0].weight.mul_(1.0)
        assert network.schedule((1000, 500)) is not first


def test_a_batch_is_its_images_one_by_one(network: PixelPerfectDepth) -> None:
    images, noise = torch.rand(2, 3, 32, 48), noise_field(32, 48, 3)
    together = network(images, noise, 2)
    for index in range(2):
        alone = network(images[index : index + 1], noise, 2)
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-4, rtol=1e-4)


def test_half_precision_stays_close(network: PixelPerfectDepth) -> None:
    reference = case("ppd-tiny-infer")
    images, noise = _images(reference["out_resized_rgb"]), _noise(reference)
    rough = network(images, noise, 4, precision=torch.bfloat16)
    assert rough.dtype == torch.float32
    assert (rough[0, 0] - reference["out_depth"]).square().mean().sqrt() < 0.02


def test_noise_of_another_size_is_refused(network: PixelPerfectDepth) -> None:
    with pytest.raises(ValueError, match="noise is"):
        network(torch.rand(1, 3, 32, 48), noise_field(48, 32, 0))
