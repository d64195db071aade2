"""Figures of segments against truth and against plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from depth_perception import DepthKind, Equirectangular, Pinhole
from depth_perception.data.worlds.make import make_world
from depth_perception.data.worlds.render import Frame, render
from depth_perception.geometry.edges import edge_mask
from depth_perception.geometry.segments import (
    SegmentStatistics,
    StatisticsOptions,
    segment_statistics,
)


def statistics_of(
    frame: Frame, ids: list[int], kind: DepthKind, options: StatisticsOptions | None = None
) -> SegmentStatistics:
    depth = frame.z_m if kind is DepthKind.Z else frame.range_m
    points = frame.camera.unproject(depth, kind)
    return segment_statistics(
        frame.instances,
        ids,
        depth,
        points,
        torch.isfinite(depth),
        options,
        wraps=frame.camera.is_full_turn,
    )


@pytest.fixture(scope="module", params=["pinhole", "panorama"])
def frame(request: pytest.FixtureRequest) -> Frame:
    world = make_world("street", 3)
    camera = Pinhole.from_fov(192, 384, 1.4)
    if request.param == "panorama":
        camera = Equirectangular(192, 384)
    return render(world, camera, world.pose(world.path_length_m / 3), shadows=False)


def visible_ids(frame: Frame, least: int) -> list[int]:
    counts = torch.bincount(frame.instances.flatten())
    return [i for i in range(1, len(counts)) if counts[i] >= least]


def chosen_pixels(frame: Frame, number: int, options: StatisticsOptions) -> Tensor:
    """Pixels that may speak for an instance, looked at one by one."""
    depth = frame.z_m if isinstance(frame.camera, Pinhole) else frame.range_m
    wraps = frame.camera.is_full_turn
    mask = frame.instances == number
    edges = edge_mask(depth, options.edge_threshold, torch.isfinite(depth), wraps=wraps)
    height, width = mask.shape
    inner = torch.zeros_like(mask)
    reach = options.border_px
    for row, column in mask.nonzero().tolist():
        rows = range(max(0, row - reach), min(height, row + reach + 1))
        columns = [c % width if wraps else c for c in range(column - reach, column + reach + 1)]
        columns = [c for c in columns if 0 <= c < width]
        inner[row, column] = bool(mask[rows.start : rows.stop, columns].all())
    inner &= ~edges
    return inner if int(inner.sum()) >= options.least_points else mask


def test_distances_on_rendered_worlds(frame: Frame) -> None:
    ids = visible_ids(frame, 60)
    assert len(ids) >= 4
    kind = DepthKind.Z if isinstance(frame.camera, Pinhole) else DepthKind.RANGE
    options = StatisticsOptions()
    found = statistics_of(frame, ids, kind, options)
    depth = frame.z_m if kind is DepthKind.Z else frame.range_m
    points = frame.camera.unproject(depth, kind).double()
    for place, number in enumerate(ids):
        pixels = chosen_pixels(frame, number, options)
        values = depth[pixels].double().numpy()
        median = float(np.median(values))
        assert int(found.count[place]) == int(pixels.sum())
        assert float(found.median[place]) == pytest.approx(median, abs=0.01)
        assert float(found.near[place]) == pytest.approx(np.quantile(values, 0.02), abs=0.01)
        assert float(found.far[place]) == pytest.approx(np.quantile(values, 0.98), abs=0.01)
        sigma = 1.4826 * np.median(np.abs(values - median))
        assert float(found.sigma[place]) == pytest.approx(sigma, abs=0.01)
        centroid = points[pixels].mean(0)
        assert (found.centroid[place] - centroid).norm() < 0.01
        # the box holds all points, and none of its walls can come nearer
        inside = (points[pixels] - found.box_centre[place]) @ found.box_axes[place].double()
        torch.testing.assert_close(
            2 * inside.abs().amax(0).float(), found.size[place], atol=1e-3, rtol=1e-4
        )


def wall_frame(camera: Pinhole | Equirectangular) -> tuple[Tensor, Tensor, Tensor]:
    """Segments, range and valid: a square plate 1.2 m wide, 4 m ahead, before a far sphere."""
    rays = camera.rays(dtype=torch.float64)
    on_plate = (rays[..., :2] / rays[..., 2:]).abs().amax(-1) < 0.15
    on_plate &= rays[..., 2] > 0
    distance = torch.where(on_plate, 4.0 / rays[..., 2], 30.0)
    return on_plate.int() * 5, distance.float(), torch.ones_like(on_plate)


@pytest.mark.parametrize("camera", [Pinhole.from_fov(240, 320, 1.0), Equirectangular(512, 1024)])
def test_a_plate_is_where_it_is_and_as_large(camera) -> None:
    segments, distance, valid = wall_frame(camera)
    points = camera.unproject(distance)
    for oriented in (True, False):
        options = StatisticsOptions(oriented=oriented)
        found = segment_statistics(segments, [5], points[..., 2], points, valid, options)
        assert float(found.median) == pytest.approx(4.0, abs=0.01)
        assert (found.centroid[0] - torch.tensor([0.0, 0.0, 4.0])).norm() < 0.01
        assert (found.box_centre[0] - torch.tensor([0.0, 0.0, 4.0])).norm() < 0.01
        pixel = 4.0 * camera.horizontal_fov / camera.width
        expected = torch.tensor([1.2, 1.2, 0.0])
        assert (found.size[0] - expected).abs().max() < 8 * pixel  # 2 px on each side are left out
        assert float(found.sigma) < 1e-4


def test_a_segment_over_the_seam_is_one() -> None:
    camera = Equirectangular(256, 512)
    segments, distance, valid = wall_frame(camera)
    points = camera.unproject(distance)
    expected = segment_statistics(segments, [5], distance, points, valid, wraps=True)
    turned = [value.roll(256, 1) for value in (segments, distance, points, valid)]
    found = segment_statistics(turned[0], [5], *turned[1:], wraps=True)
    assert torch.equal(found.count, expected.count)
    torch.testing.assert_close(found.centroid, expected.centroid, atol=1e-5, rtol=0)
    # where the border of the mask is the seam, only those who look across see it
    left = int((segments > 0).any(0).int().argmax())
    maps = [value.roll(-left, 1) for value in (segments, distance, points, valid)]
    options = StatisticsOptions(edge_threshold=None)
    across = segment_statistics(maps[0], [5], *maps[1:], options, wraps=True)
    cut = segment_statistics(maps[0], [5], *maps[1:], options, wraps=False)
    assert int(cut.count) > int(across.count) == int(expected.count)


def test_boxes_follow_turned_things() -> None:
    generator = torch.Generator().manual_seed(0)
    angle = math.radians(30)
    local = (torch.rand((40, 50, 3), generator=generator) - 0.5) * torch.tensor([4.0, 1.5, 1.8])
    x = local[..., 0] * math.cos(angle) - local[..., 2] * math.sin(angle) + 2
    z = local[..., 0] * math.sin(angle) + local[..., 2] * math.cos(angle) + 12
    points = torch.stack((x, local[..., 1], z), -1)
    segments = torch.ones((40, 50), dtype=torch.int32)
    options = StatisticsOptions(edge_threshold=None)
    valid = torch.ones_like(segments, dtype=torch.bool)
    found = segment_statistics(segments, [1], points[..., 2], points, valid, options)
    torch.testing.assert_close(found.size[0], torch.tensor([4.0, 1.5, 1.8]), atol=0.25, rtol=0)
    axis = found.box_axes[0, :, 0]
    assert abs(abs(math.atan2(float(axis[2]), float(axis[0]))) - angle) < math.radians(3)
    assert torch.linalg.det(found.box_axes[0]) == pytest.approx(1.0, abs=1e-5)
    assert (found.box_centre[0] - torch.tensor([2.0, 0.0, 12.0])).norm() < 0.2


def test_flying_pixels_and_borders_do_not_speak() -> None:
    depth = torch.full((40, 60), 5.0)
    depth[:, 30:] = 50.0
    segments = (depth < 10).int()
    segments[:, 30:33] = 1  # a mask that is three pixels too wide
    depth[:, 29:31] = torch.tensor([15.0, 30.0])  # and pixels that float between
    points = torch.stack((torch.zeros_like(depth), torch.zeros_like(depth), depth), -1)
    valid = torch.ones_like(segments, dtype=torch.bool)
    plain = StatisticsOptions(border_px=0, edge_threshold=None)
    dirty = segment_statistics(segments, [1], depth, points, valid, plain)
    clean = segment_statistics(segments, [1], depth, points, valid)
    assert float(dirty.far) > 10
    assert float(clean.far) < 5.1
    assert float(clean.centroid[0, 2]) == pytest.approx(5.0, abs=0.01)


def test_thin_segments_keep_their_pixels_and_absent_ones_have_none() -> None:
    segments = torch.zeros((30, 30), dtype=torch.int32)
    segments[:, 10] = 4
    segments[5:25, 15:28] = 9
    depth = torch.where(segments == 4, 3.0, 8.0)
    depth[0, 10] = torch.nan
    points = torch.stack((depth, depth, depth), -1)
    valid = torch.ones_like(segments, dtype=torch.bool)
    found = segment_statistics(segments, [9, 77, 4], depth, points, valid)
    assert found.count.tolist() == [16 * 9, 0, 29]
    assert found.median.tolist()[::2] == [8.0, 3.0]
    for value in (found.median, found.sigma, found.centroid, found.size, found.box_centre):
        assert value[1].isnan().all()
    none = segment_statistics(segments, [], depth, points, valid)
    assert none.count.shape == (0,)
    assert none.box_axes.shape == (0, 3, 3)
    nothing = segment_statistics(segments, [9], depth, points, torch.zeros_like(valid))
    assert int(nothing.count) == 0
    assert nothing.median.isnan().all()


def test_wrong_arguments_are_refused() -> None:
    maps = torch.zeros(4, 4, dtype=torch.int32), torch.ones(4, 4), torch.ones(4, 4, 3)
    valid = torch.ones(4, 4, dtype=torch.bool)
    for ids in ([0], [3, 3]):
        with pytest.raises(ValueError, match="ids"):
            segment_statistics(maps[0], ids, maps[1], maps[2], valid)
    with pytest.raises(ValueError, match="share one"):
        segment_statistics(maps[0], [1], maps[1][:3], maps[2], valid)
    for wrong in ({"border_px": -1}, {"edge_threshold": 0.0}, {"least_points": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StatisticsOptions(**wrong)
