"""Statistical outliers of clouds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.ppd_reference import case

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.geometry.outliers import neighbour_distance, outlier_mask
from depth_perception.geometry.rotations import optical_to_opengl


def _brute(points: torch.Tensor, number: int) -> torch.Tensor:
    gaps = (points[:, None].double() - points[None].double()).square().sum(-1).sqrt()
    return gaps.sort(1).values[:, :number].mean(1)


def test_cloud_and_filter_match_the_original() -> None:
    reference = case("pointcloud")
    depth, mask, k = reference["in_depth"], reference["in_mask"] > 0, reference["in_intrinsics"]
    fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    # the original takes the principal point for a place between pixel centres at whole numbers
    camera = Pinhole(*depth.shape, fx, fy, cx + 0.5, cy + 0.5)
    points = camera.unproject(depth, DepthKind.Z)[mask]
    reference.assert_close(points, "out_points")
    source = reference.entry["input"]["color"]
    image = noise_image(source["height"], source["width"], source["seed"])
    colours = torch.from_numpy(image.astype(np.float32) / 255)[mask]
    reference.assert_close(colours, "out_colors")
    options = reference.options
    kept = ~outlier_mask(points, options["nb_neighbors"], options["std_ratio"])
    assert torch.equal(kept.float(), reference["out_kept"])
    reference.assert_close(optical_to_opengl(points[kept]), "out_ply_points")


@pytest.mark.parametrize("number", [2, 20, 700])
def test_distances_equal_those_of_all_pairs(number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    near = torch.randn(300, 3, generator=generator) * 0.01
    wall = torch.rand(200, 3, generator=generator) * torch.tensor([5.0, 5.0, 0.0])
    far = torch.randn(40, 3, generator=generator) * 80
    cloud = torch.cat((near, wall, far, near[:30]))
    found = neighbour_distance(cloud, number)
    torch.testing.assert_close(found, _brute(cloud, number), atol=1e-9, rtol=1e-9)
    assert torch.equal(found, neighbour_distance(cloud, number))


def test_a_far_point_goes_and_nan_is_no_neighbour() -> None:
    image = torch.rand(30, 40, 3, generator=torch.Generator().manual_seed(0))
    image[3, 4] = 50.0
    image[7] = torch.nan
    found = outlier_mask(image)
    assert found[3, 4]
    assert not found[7].any()
    assert found.sum() < 60


def test_degenerate_clouds() -> None:
    assert outlier_mask(torch.zeros(0, 3)).shape == (0,)
    assert outlier_mask(torch.zeros(1, 3)).all()
    assert outlier_mask(torch.ones(50, 3)).all()  # a mean distance of 0 is no surface
    assert not outlier_mask(torch.full((2, 3, 3), torch.nan)).any()
    pair = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    assert outlier_mask(pair).all()  # equal distances: none is below their mean


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (torch.zeros(3), {}, "shape"),
        (torch.zeros(5, 2), {}, "shape"),
        (torch.zeros(5, 3), {"neighbours": 1}, "neighbours"),
        (torch.zeros(5, 3), {"std_ratio": 0.0}, "std_ratio"),
    ],
)
def test_senseless_input_is_refused(points: torch.Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outlier_mask(points, **options)
