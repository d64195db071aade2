"""Reading panoramas along directions."""

from __future__ import annotations

import math

import pytest
import torch
from published.panoramas import rotate_panorama

from depth_perception.geometry import Equirectangular, SamplingGrid
from depth_perception.geometry.rotations import view_rotation

FULL = Equirectangular(16, 32)
PARTIAL = Equirectangular.partial(16, 32, math.radians(120), math.radians(60))


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("columns", [0, 1, 7, 16, -3, 32])
def test_yaw_by_columns_is_a_roll(mode, columns):
    image = noise(3, 16, 32)
    turned = rotate_panorama(image, FULL, view_rotation(columns * 2 * math.pi / 32, 0), mode)
    torch.testing.assert_close(turned, image.roll(-columns, -1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_reading_along_its_own_rays_changes_nothing(mode):
    for camera in (FULL, PARTIAL):
        image = noise(2, 3, 16, 32)
        same = rotate_panorama(image, camera, torch.eye(3), mode)
        torch.testing.assert_close(same, image, atol=1e-5, rtol=0)


def test_bilinear_reads_across_the_seam():
    image = torch.zeros(16, 32)
    image[:, 0] = 1
    turned = rotate_panorama(image, FULL, view_rotation(0.5 * 2 * math.pi / 32, 0))
    expected = torch.zeros(16, 32)
    expected[:, [0, -1]] = 0.5
    torch.testing.assert_close(turned, expected, atol=1e-5, rtol=0)


def test_a_smooth_function_of_direction_is_reproduced():
    camera = Equirectangular(128, 256)
    rotation = view_rotation(0.7, 0.4, -0.3)

    def scene(rays):
        return 2 + rays @ torch.tensor([0.5, -0.7, 0.3]) + rays[..., 0] * rays[..., 1]

    turned = rotate_panorama(scene(camera.rays()), camera, rotation)
    expected = scene(camera.rays() @ rotation.float().T)
    error = (turned - expected).abs()
    assert error.median() < 1e-4
    assert error.max() < 0.02  # half a row at the poles, where rows are repeated


def test_outside_a_partial_panorama_is_filled():
    turned = rotate_panorama(noise(16, 32), PARTIAL, view_rotation(math.radians(60), 0), fill=-1.0)
    assert (turned[:, :16] >= 0).all()
    assert (turned[:, 16:] == -1).all()
    behind = SamplingGrid.of(PARTIAL, torch.tensor([[[0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]]))
    assert not behind.valid.any()


def test_types_are_kept():
    rotation = view_rotation(1.0, 0.2)
    labels = torch.arange(16 * 32).reshape(16, 32)
    moved = rotate_panorama(labels, FULL, rotation, "nearest")
    assert moved.dtype == torch.int64
    assert set(moved.flatten().tolist()) <= set(labels.flatten().tolist())
    assert rotate_panorama(labels > 100, FULL, rotation, "nearest").dtype == torch.bool
    picture = torch.full((3, 16, 32), 200, dtype=torch.uint8)
    assert torch.equal(rotate_panorama(picture, FULL, rotation), picture)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_half_precision_images_are_read_at_exact_places(mode):
    wide = Equirectangular(4, 4096)
    image = noise(4, 4096).to(torch.float16)
    same = rotate_panorama(image, wide, torch.eye(3), mode)
    assert same.dtype == torch.float16
    torch.testing.assert_close(same, image, atol=2e-3, rtol=0)


def test_large_integers_survive_nearest_sampling():
    ids = torch.full((16, 32), 2**31 - 1, dtype=torch.int64)
    assert torch.equal(rotate_panorama(ids, FULL, torch.eye(3), "nearest"), ids)


def test_bilinear_sampling_has_gradients():
    image = noise(16, 32).requires_grad_()
    rotate_panorama(image, FULL, view_rotation(0.3, 0.1)).sum().backward()
    assert image.grad is not None
    assert image.grad.sum() == pytest.approx(16 * 32, rel=1e-4)


def test_wrong_size_and_mode_are_refused():
    grid = SamplingGrid.of(FULL, FULL.rays())
    with pytest.raises(ValueError, match="grid was made for"):
        grid.sample(noise(8, 32))
    with pytest.raises(ValueError, match="'nearest' or 'bilinear'"):
        grid.sample(noise(16, 32), "cubic")
