"""Distances of the instances of synthetic worlds: true masks and depth against the true surface.

The truth is worked out here in float64 by NumPy, from the definitions of the cameras, over exactly
the pixels of each object that the picture shows.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from depth_perception import DepthKind, DepthSpace, Equirectangular, Pinhole, Prediction, ScaleKind
from depth_perception.data.worlds import Frame, make_world, render
from depth_perception.geometry import edge_mask
from depth_perception.geometry.segment_boxes import segment_boxes
from depth_perception.geometry.segments import SegmentStatistics, StatisticsOptions
from depth_perception.prediction import Instance

WITHIN_M = 0.01
WHOLE = StatisticsOptions(border_px=0, edge_threshold=None)
CAMERAS = {"pinhole": Pinhole.from_fov(192, 384, 1.4), "panorama": Equirectangular(192, 384)}
PLACES = [("street", 5), ("street", 2), ("room", 3)]


@pytest.fixture(scope="module", params=[(c, *p) for c in CAMERAS for p in PLACES], ids=str)
def frame(request: pytest.FixtureRequest) -> Frame:
    camera, kind, seed = request.param
    world = make_world(kind, seed)
    yaw = math.radians(-95) if camera == "panorama" else 0.0  # a car over the seam of the first
    pose = world.pose(world.path_length_m / 2, yaw=yaw)
    return render(world, CAMERAS[camera], pose, shadows=False)


def predicted(frame: Frame) -> Prediction:
    """What a model without error would say."""
    is_pinhole = isinstance(frame.camera, Pinhole)
    depth = frame.z_m if is_pinhole else frame.range_m
    ids = [number for number in frame.instances.unique().tolist() if number]
    segments = frame.instances.int()
    boxes = segment_boxes(segments, ids, wraps=frame.camera.is_full_turn)
    instances = []
    for number, (left, top, right, bottom) in zip(ids, boxes, strict=True):
        columns = torch.arange(left, right) % frame.camera.width
        mask = segments[top:bottom, columns] == number
        box = (left, top, right, bottom)
        instances.append(Instance(number, 0, "thing", 1.0, True, box, mask))
    return Prediction(
        depth,
        torch.isfinite(depth),
        frame.camera,
        DepthKind.Z if is_pinhole else DepthKind.RANGE,
        DepthSpace.DEPTH,
        ScaleKind.METRIC,
        instances=tuple(instances),
        segments=segments,
    )


def surface(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Depth (H, W) and points (H, W, 3) float64."""
    camera, (height, width) = frame.camera, frame.range_m.shape
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    if isinstance(camera, Pinhole):
        z = frame.z_m.double().numpy()
        x, y = (u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z
        return z, np.stack((x, y, z), -1)
    longitude, latitude = (u / width - 0.5) * 2 * np.pi, (v / height - 0.5) * np.pi
    distance = frame.range_m.double().numpy()
    x = np.cos(latitude) * np.sin(longitude)
    z = np.cos(latitude) * np.cos(longitude)
    return distance, np.stack((x, np.sin(latitude), z), -1) * distance[..., None]


def check(
    frame: Frame, found: SegmentStatistics, ids: list[int], chosen: dict[int, np.ndarray]
) -> None:
    depth, points = surface(frame)
    for place, number in enumerate(ids):
        pixels = chosen[number]
        assert int(found.count[place]) == pixels.sum()
        assert abs(float(found.median[place]) - np.median(depth[pixels])) < WITHIN_M
        centroid = points[pixels].mean(0)
        assert np.linalg.norm(found.centroid[place].double().numpy() - centroid) < WITHIN_M


def test_every_pixel_of_an_object_counts_where_masks_are_exact(frame: Frame) -> None:
    prediction = predicted(frame)
    ids = [instance.id for instance in prediction.instances]
    assert ids
    whole = {number: frame.instances.numpy() == number for number in ids}
    check(frame, prediction.segment_statistics(WHOLE), ids, whole)


def test_by_default_the_inner_pixels_count(frame: Frame) -> None:
    prediction = predicted(frame)
    ids = [instance.id for instance in prediction.instances]
    options = StatisticsOptions()
    depth, _ = surface(frame)
    wraps = frame.camera.is_full_turn
    edges = edge_mask(torch.from_numpy(depth), 0.1, wraps=wraps).numpy()
    assert 0 < edges.sum() < edges.size / 4
    chosen = {}
    for number in ids:
        mask = frame.instances.numpy() == number
        around = _windows(mask, options.border_px, wraps)
        inner = mask & around.all(-1) & ~edges
        chosen[number] = inner if inner.sum() >= options.least_points else mask
    check(frame, prediction.segment_statistics(options), ids, chosen)


def test_leaving_out_borders_moves_large_objects_little(frame: Frame) -> None:
    """Inner pixels are no fair sample: what slants away at the silhouette is left out."""
    prediction = predicted(frame)
    whole, inner = prediction.segment_statistics(WHOLE), prediction.segment_statistics()
    large = whole.count >= 3000
    moved = (whole.centroid - inner.centroid).norm(dim=1)[large]
    assert (moved < 0.05 * whole.median[large]).all()


def _windows(values: np.ndarray, reach: int, wraps: bool) -> np.ndarray:
    """(H, W, (2 reach + 1)^2) neighbours; beyond a border its own pixels repeat."""
    padded = np.pad(values, ((reach, reach), (0, 0)), "edge")
    padded = np.pad(padded, ((0, 0), (reach, reach)), "wrap" if wraps else "edge")
    side = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return windows.reshape(*values.shape, -1)
