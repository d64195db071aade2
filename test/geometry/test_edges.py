"""Flying pixels."""

from __future__ import annotations

import itertools
import math
from unittest import mock

import pytest
import torch

from depth_perception.geometry import Equirectangular, Pinhole, edge_mask, edge_reach, edges


def step(near: float, far: float) -> torch.Tensor:
    depth = torch.full((8, 12), near)
    depth[:, 6:] = far
    return depth


def test_both_sides_of_a_jump_are_marked():
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[:, 5:7] = True
    assert torch.equal(edge_mask(step(2.0, 2.3)), expected)


@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_the_threshold_is_the_relative_jump(scale):
    depth = scale * step(1.0, 1.2)
    assert not edge_mask(depth, 0.21).any()
    assert edge_mask(depth, 0.19).any()


def test_a_blended_pixel_is_marked():
    depth = step(1.0, 4.0)
    depth[:, 6] = 2.5
    assert edge_mask(depth)[:, 5:8].all()
    assert not edge_mask(depth)[:, :5].any()


def test_a_diagonal_neighbour_counts():
    depth = torch.ones(5, 5)
    depth[2, 2] = 3.0
    assert edge_mask(depth).sum() == 9


def test_the_seam_counts_only_on_full_turns():
    depth = step(1.0, 4.0)
    assert not edge_mask(depth)[:, [0, -1]].any()
    assert edge_mask(depth, wraps=True)[:, [0, -1]].all()


def test_a_rolled_panorama_has_the_rolled_mask():
    depth = 1 + 3 * torch.rand(2, 9, 16, generator=torch.Generator().manual_seed(0))
    rolled = edge_mask(depth.roll(5, -1), 0.8, wraps=True)
    assert torch.equal(rolled, edge_mask(depth, 0.8, wraps=True).roll(5, -1))
    assert 0.1 < rolled.float().mean() < 0.9


def test_unknown_pixels_neither_are_nor_make_edges():
    depth = torch.ones(6, 6)
    depth[1, 1], depth[2, 4], depth[4, 2] = torch.nan, torch.inf, 0.0
    depth[4, 4] = 50.0
    valid = torch.ones(6, 6, dtype=torch.bool)
    valid[4, 4] = False
    assert not edge_mask(depth, valid=valid).any()
    assert edge_mask(depth).any()


def test_walls_and_floor_of_a_room_are_kept():
    rays = Equirectangular(128, 256).rays()
    half_size = torch.tensor([3.0, 1.5, 4.0])
    ranges = (half_size / rays.abs().clamp_min(1e-9)).amin(-1)
    assert edge_mask(ranges, wraps=True).float().mean() < 0.01


def test_the_threshold_must_be_positive():
    with pytest.raises(ValueError, match="positive relative jump"):
        edge_mask(torch.ones(3, 3), 0.0)


@pytest.mark.parametrize("wraps", [True, False])
def test_a_map_with_a_hole_is_judged_like_one_without(wraps: bool) -> None:
    depth = 2 + torch.rand(9, 14, generator=torch.Generator().manual_seed(3))
    whole = edge_mask(depth, 0.2, wraps=wraps)
    with_hole = torch.cat((depth, torch.full((3, 14), math.nan)))
    assert 0 < int(whole.sum()) < whole.numel()
    assert torch.equal(edge_mask(with_hole, 0.2, wraps=wraps)[:8], whole[:8])
    valid = torch.ones_like(depth, dtype=torch.bool)
    assert torch.equal(edge_mask(depth, 0.2, valid, wraps=wraps), whole)
    valid[4:] = False
    assert not edge_mask(depth, 0.2, valid, wraps=wraps)[4:].any()


def by_definition(depth: torch.Tensor, ratio: float, wraps: bool, reach: int) -> torch.Tensor:
    rows, columns = depth.shape[-2:]
    places = list(itertools.product(range(rows), range(columns)))
    window = range(-reach, reach + 1)

    def near(v: int, u: int) -> set[tuple[int, int]]:
        around = {(v + down, u + right) for down in window for right in window}
        around = {(row, column % columns if wraps else column) for row, column in around}
        return {(r, c) for r, c in around if 0 <= r < rows and 0 <= c < columns}

    def inverse(v: int, u: int, middle: torch.Tensor) -> torch.Tensor:
        v, u = min(max(v, 0), rows - 1), u % columns if wraps else min(max(u, 0), columns - 1)
        known = torch.isfinite(depth[..., v, u])
        return torch.where(known, 1 / depth[..., v, u], middle)

    jump, bent = torch.zeros(2, *depth.shape, dtype=torch.bool)
    for v, u in places:
        here = depth[..., v, u]
        for row, column in near(v, u):
            other = depth[..., row, column]
            is_known = torch.isfinite(here) & torch.isfinite(other)
            jump[..., v, u] |= is_known & ((other > ratio * here) | (here > ratio * other))
        for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
            one, other = (inverse(v + k * down, u + k * right, 1 / here) for k in (1, -1))
            largest = torch.stack((one, other, 1 / here)).amax(0)
            bent[..., v, u] |= (one + other - 2 / here).abs() > (1 - 1 / ratio) * largest
    bent &= jump
    marked = torch.zeros_like(jump)
    for v, u in places:
        for row, column in near(v, u):
            marked[..., v, u] |= jump[..., v, u] & bent[..., row, column]
    return marked


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("reach", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (9, 14), (2, 3, 5, 8)])
def test_edges_follow_their_definition(shape: tuple[int, ...], reach: int, wraps: bool) -> None:
    depth = 1 + 2 * torch.rand(shape, generator=torch.Generator().manual_seed(len(shape)))
    depth.view(-1)[::11] = torch.nan
    depth.view(-1)[4::13] = torch.inf
    expected = by_definition(depth, 1.4, wraps, reach)
    everywhere = torch.ones(shape, dtype=torch.bool)
    assert torch.equal(edges._edges_on_device(depth, everywhere, 1.4, wraps, reach), expected)
    for band in (1, 3, 1 << 16):
        with mock.patch.object(edges, "_BAND_PIXELS", band * shape[-1]):
            assert torch.equal(edge_mask(depth, 0.4, wraps=wraps, reach=reach), expected)


def test_ground_seen_at_a_grazing_angle_is_kept() -> None:
    camera = Equirectangular(112, 224)
    down = camera.rays()[..., 1]
    ground = torch.where(down > 0.02, 1 / down.clamp_min(1e-6), math.nan)  # up to 50 heights away
    first = int(torch.isfinite(ground[:, 0]).nonzero()[0])
    far = ground[first:] > 5
    assert far[3:6].any()
    assert (ground[first : first + 5] / ground[first + 1 : first + 6] > 1.1).any()
    marked = edge_mask(ground, wraps=True)[first:]
    assert marked[0].all(), "its border to the unknown: nothing says that it goes on"
    assert not marked[2:].any()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_the_same_jumps_go_on_every_grid(factor: int) -> None:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.full((112, 224), 6.0)
    for _ in range(12):
        top, left = (int(torch.randint(n, (), generator=generator)) for n in (90, 190))
        coarse[top : top + 20, left : left + 25] = 1 + 4 * float(
            torch.rand((), generator=generator)
        )
    size = (112 * factor, 224 * factor)
    fine = torch.nn.functional.interpolate(coarse[None, None], size, mode="bilinear")[0, 0]
    shares = [float(edge_mask(depth, wraps=True).float().mean()) for depth in (coarse, fine)]
    assert 0.02 < shares[0] < 0.3
    assert 0.7 < shares[1] / shares[0] < 1.5
    ramp = (fine - coarse.repeat_interleave(factor, 0).repeat_interleave(factor, 1)).abs() > 0.3
    assert edge_mask(fine, wraps=True)[ramp].float().mean() > 0.97, "what was blended goes"


def test_the_reach_is_that_of_the_camera() -> None:
    assert edge_reach(Equirectangular(112, 224)) == edge_reach(Equirectangular(60, 120)) == 1
    assert edge_reach(Equirectangular(448, 896)) == 4
    assert edge_reach(Equirectangular.partial(224, 896, 2 * math.pi, math.pi / 2)) == 4
    assert edge_reach(Pinhole.from_fov(400, 600, 1.0)) == 1
    assert edge_reach(Pinhole.from_fov(1080, 1920, 1.0)) == 3
    with pytest.raises(ValueError, match="reach must be at least 1 pixel, got 0"):
        edge_mask(torch.ones(3, 3), reach=0)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (2, 4, 0)])
def test_nothing_has_no_edges(shape: tuple[int, ...]) -> None:
    assert edge_mask(torch.ones(shape)).shape == shape


@pytest.mark.filterwarnings("error")
def test_masks_of_bytes_and_huge_depths() -> None:
    depth = torch.tensor([[1.0, 1.0, 9.0, 3e38], [1.0, 1.0, 9.0, 3e38]])
    valid = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0]], dtype=torch.uint8)
    marked = torch.tensor([[False, True, True, False]] * 2)
    assert torch.equal(edge_mask(depth, valid=valid), marked)
    assert torch.equal(edge_mask(depth), marked | torch.tensor([False, False, True, True]))
    with torch.device("meta"):  # a default for new tensors
        assert torch.equal(edge_mask(depth, valid=valid), marked)
