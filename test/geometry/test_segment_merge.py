"""Segments of panels on the sphere, of scenes that are given by directions alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from published.panel_rings import ring
from torch import Tensor

from depth_perception.geometry import Equirectangular, Panel
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.geometry.segment_merge import (
    MergedSegments,
    PanelSegments,
    merge_segments,
)

CAMERA = Equirectangular(120, 240)
PANELS = surrounding_panels(96)
CAR, PERSON, ROAD = 13, 11, 0
Scene = Callable[[Tensor], Tensor]


def plates(centres: Sequence[tuple[float, float]], wide: float, high: float) -> Scene:
    """Numbers from 1 of plates (degrees of longitude and latitude), 0 elsewhere."""

    def look(rays: Tensor) -> Tensor:
        longitude = torch.rad2deg(torch.atan2(rays[..., 0], rays[..., 2]))
        latitude = torch.rad2deg(torch.asin(rays[..., 1].clamp(-1, 1)))
        found = torch.zeros(rays.shape[:-1], dtype=torch.int64)
        for number, (u, v) in enumerate(centres, 1):
            off = torch.remainder(longitude - u + 180, 360) - 180
            found[(off.abs() < wide / 2) & ((latitude - v).abs() < high / 2)] = number
        return found

    return look


def parts_of(
    scene: Scene, classes: dict[int, int], panels: Sequence[Panel] = PANELS
) -> list[PanelSegments]:
    """What a perfect model says; every panel numbers its segments in its own way."""
    parts = []
    for index, panel in enumerate(panels):
        rays = panel.camera.rays(dtype=torch.float64) @ panel.rotation.T
        seen = scene(rays)
        there = [number for number in seen.unique().tolist() if number]
        there = there[index % 2 :: 1] + there[: index % 2]  # another order
        own = {number: 3 * place + 1 + index for place, number in enumerate(there)}
        segments = torch.zeros_like(seen, dtype=torch.int32)
        for number, mine in own.items():
            segments[seen == number] = mine
        class_ids = tuple(classes[number] for number in there)
        parts.append(
            PanelSegments(
                panel,
                segments,
                panel.camera,
                tuple(own.values()),
                class_ids,
                tuple(class_id >= PERSON for class_id in class_ids),
            )
        )
    return parts


def check(merged: MergedSegments, scene: Scene, least: float = 0.8) -> None:
    """One segment for each of the scene, nearly the same pixels."""
    truth = scene(CAMERA.rays(dtype=torch.float64))
    there = [number for number in truth.unique().tolist() if number]
    assert sorted(merged.segments.unique().tolist())[-len(there) :] == list(
        range(1, len(there) + 1)
    )
    assert len(merged.members) == len(there)
    for number in there:
        mask = truth == number
        mine = int(merged.segments[mask].mode().values)
        found = merged.segments == mine
        assert (mask & found).sum() / (mask | found).sum() > least
    for number, members in enumerate(merged.members, 1):
        assert sum(m.area_px for m in members) == (merged.segments == number).sum()


@pytest.mark.parametrize("turn", [1, 40, 113, 120, 201])
def test_turning_the_panorama_turns_the_segments(turn: int) -> None:
    step = 360 / CAMERA.width
    centres = [(-100.0, 5.0), (-79.0, 5.0), (30.0, 0.0), (62.0, -20.0), (178.0, 10.0)]
    classes = {1: CAR, 2: CAR, 3: PERSON, 4: CAR, 5: CAR}
    still = merge_segments(parts_of(plates(centres, 20, 14), classes), CAMERA)
    turned = [(u + turn * step, v) for u, v in centres]
    found = merge_segments(parts_of(plates(turned, 20, 14), classes), CAMERA)
    check(found, plates(turned, 20, 14))
    rolled = still.segments.roll(turn, 1)
    assert len(found.members) == len(still.members) == 5
    for number in range(1, 6):
        mask = rolled == number
        same = found.segments == int(found.segments[mask].mode().values)
        assert (mask & same).sum() / (mask | same).sum() > 0.8


@pytest.mark.parametrize("middle", [0.0, 30.0, 45.0, 180.0])
def test_two_cars_side_by_side_stay_two(middle: float) -> None:
    scene = plates([(middle - 10, 0.0), (middle + 10, 0.0)], 20, 12)
    merged = merge_segments(parts_of(scene, {1: CAR, 2: CAR}), CAMERA)
    check(merged, scene)


@pytest.mark.parametrize("middle", [0.0, 180.0])
def test_an_object_that_three_panels_see_is_one(middle: float) -> None:
    scene = plates([(middle, 0.0)], 130, 20)
    merged = merge_segments(parts_of(scene, {1: CAR}), CAMERA)
    check(merged, scene, 0.9)
    assert sum(member.area_px > 0 for member in merged.members[0]) >= 3


def test_a_pole_object_is_one() -> None:
    """Straight below the camera it lies in every column of the panorama."""

    def scene(rays: Tensor) -> Tensor:
        return (rays[..., 1] > math.sin(math.radians(40))).long()

    merged = merge_segments(parts_of(scene, {1: CAR}), CAMERA)
    check(merged, scene, 0.95)


def test_stuff_joins_by_class_and_things_never_join_stuff() -> None:
    scene = plates([(-120.0, 0.0), (100.0, 0.0), (0.0, 0.0)], 15, 15)
    merged = merge_segments(parts_of(scene, {1: ROAD, 2: ROAD, 3: CAR}), CAMERA)
    truth = scene(CAMERA.rays(dtype=torch.float64))
    assert len(merged.members) == 2
    road = int(merged.segments[truth == 1].mode().values)
    assert int(merged.segments[truth == 2].mode().values) == road
    assert int(merged.segments[truth == 3].mode().values) not in (0, road)


def test_objects_of_another_class_do_not_join() -> None:
    scene = plates([(30.0, 0.0)], 20, 12)
    parts = parts_of(scene, {1: CAR})
    mixed = [p if i % 2 else parts_of(scene, {1: PERSON})[i] for i, p in enumerate(parts)]
    merged = merge_segments(mixed, CAMERA)
    assert len(merged.members) == 2
    kinds = {tuple(mixed[m.part].classes[m.place] for m in one) for one in merged.members}
    assert all(len(set(kind)) == 1 for kind in kinds)


def test_a_panel_that_takes_two_cars_for_one_does_not_fuse_them() -> None:
    panels = ring(6, math.radians(90), 96, 96)
    two = plates([(25.0, 0.0), (37.0, 0.0)], 12, 12)
    parts = parts_of(two, {1: CAR, 2: CAR}, panels)
    blob = parts_of(lambda rays: (two(rays) > 0).long(), {1: CAR}, panels)
    mixed = [parts[0], blob[1], *parts[2:]]
    for least_iou in (0.2, 0.5):
        merged = merge_segments(mixed, CAMERA, least_iou=least_iou)
        row = merged.segments[CAMERA.height // 2]
        left, right = (int(row[int((u + 180) / 360 * CAMERA.width)]) for u in (22.0, 28.0))
        assert left == right > 0  # the first car is whole where its own panel counts
        for members in merged.members:
            assert len({member.part for member in members}) == len(members)


def test_masks_may_differ_a_little() -> None:
    panels = ring(6, math.radians(90), 96, 96)
    scene = plates([(30.0, 0.0)], 16, 16)
    wide = plates([(32.0, 0.0)], 18, 18)
    parts = parts_of(scene, {1: CAR}, panels)
    parts[1] = parts_of(wide, {1: CAR}, panels)[1]
    assert len(merge_segments(parts, CAMERA).members) == 1
    assert len(merge_segments(parts, CAMERA, least_iou=0.95).members) == 2
    far = plates([(42.0, 0.0)], 16, 16)
    parts[1] = parts_of(far, {1: CAR}, panels)[1]
    assert len(merge_segments(parts, CAMERA).members) == 2


def test_nothing_found_and_nothing_seen() -> None:
    empty = parts_of(plates([], 1, 1), {})
    merged = merge_segments(empty, CAMERA)
    assert merged.members == ()
    assert merged.segments.dtype == torch.int32
    assert (merged.segments == 0).all()
    wide = plates([(0.0, 0.0)], 170, 80)
    alone = merge_segments(parts_of(wide, {1: CAR})[:1], CAMERA)
    truth = wide(CAMERA.rays(dtype=torch.float64))
    assert len(alone.members) == 1
    assert (alone.segments[:, 120] == truth[:, 120]).float().mean() > 0.95
    assert (alone.segments[truth == 0] == 0).float().mean() > 0.99
    assert not alone.segments[:, 0:70].any()  # the panel sees 45 degrees to each side


def test_two_hundred_segments() -> None:
    def scene(rays: Tensor) -> Tensor:
        """25 by 8 plates with gaps between them, one row over the seam."""
        longitude = torch.rad2deg(torch.atan2(rays[..., 0], rays[..., 2])) + 187.2
        column = torch.remainder(longitude, 360) / 14.4
        row = (torch.rad2deg(torch.asin(rays[..., 1].clamp(-1, 1))) + 48) / 12
        inside = (row >= 0) & (row < 8) & (column % 1 < 0.7) & (row % 1 < 0.8)
        return torch.where(inside, column.long() * 8 + row.long() + 1, 0)

    classes = {number: CAR if number % 3 else PERSON for number in range(1, 201)}
    merged = merge_segments(parts_of(scene, classes), CAMERA)
    check(merged, scene, 0.5)


def test_part_of_the_sphere() -> None:
    camera = Equirectangular.partial(60, 120, math.pi, math.pi / 2)
    scene = plates([(30.0, 0.0), (180.0, 0.0)], 20, 12)
    merged = merge_segments(parts_of(scene, {1: CAR, 2: CAR}), camera)
    assert len(merged.members) == 1  # what lies behind gives no pixel


def test_wrong_arguments_are_refused() -> None:
    parts = parts_of(plates([(0.0, 0.0)], 20, 20), {1: CAR})
    with pytest.raises(ValueError, match="no panels"):
        merge_segments([], CAMERA)
    for wrong in (0.0, 1.5):
        with pytest.raises(ValueError, match="least_iou"):
            merge_segments(parts, CAMERA, least_iou=wrong)
    one = parts[0]
    with pytest.raises(ValueError, match="equally many"):
        PanelSegments(one.panel, one.segments, one.camera, (1,), (), (True,))
    for ids in ((0,), (2, 2)):
        flags = (True,) * len(ids)
        with pytest.raises(ValueError, match="positive"):
            PanelSegments(one.panel, one.segments, one.camera, ids, (CAR,) * len(ids), flags)
