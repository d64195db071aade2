"""Intersections against closed forms, and against walking along the rays."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from published.solids import surface_error

from depth_perception.data.worlds.primitives import (
    Shape,
    first_hits,
    in_shadow,
    unit_normals,
    unit_points,
)
from depth_perception.data.worlds.scene import Scene
from depth_perception.geometry import Equirectangular


def scene() -> Scene:
    return Scene(np.random.default_rng(0))


def sphere_directions(height: int = 40) -> torch.Tensor:
    return Equirectangular(height, 2 * height).rays().reshape(-1, 3).T.contiguous()


def mixed_solids() -> Scene:
    """Every shape, standing and turned, within six metres of the origin."""
    made = scene()
    grey = made.plain((0.5, 0.5, 0.5))
    pen = made.pen("clutter", 0.3, -0.2, 0.4)
    pen.box((3, 0, -0.7), (1, 2, 1.5), grey, turn=0.5)
    pen.cylinder((0, 3, -1), 0.6, 2.0, grey)
    pen.cone((-3, 0.5, -1), 0.9, 2.2, grey)
    pen.gable((0, -3.5, -0.4), (1.6, 1.0, 1.2), grey)
    pen.ball((2.5, 2.5, 0.8), (0.4, 0.9, 0.5), grey)
    pen.limb((-2, -2, -0.5), (-1.2, -2.6, 0.9), 0.2, grey)
    pen.lying((2.5, -2.5, 0.2), 0.5, 0.3, grey)
    pen.box((0, 0, -2.2), (12, 12, 0.5), grey)
    pen.taper((-0.5, 1.5, 1.2), (1.2, 0.8, 0.6), grey, turn=0.3)
    pen.wedge((0.5, -1.8, 1.0), (1.0, 0.6, 0.7), grey, turn=2.0)
    return made


def inside(solids, points: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """(M, N) whether points (M, 3) lie within each solid shrunk by a share ``margin``."""
    columns = []
    for row in range(len(solids)):
        owner = torch.full((len(points),), row)
        x, y, z = (unit_points(solids, owner, points) / (1 - margin)).unbind(1)
        radial = torch.hypot(x, y)
        columns.append(
            {
                Shape.BOX: (x.abs() < 1) & (y.abs() < 1) & (z.abs() < 1),
                Shape.CYLINDER: (radial < 1) & (z.abs() < 1),
                Shape.ELLIPSOID: x * x + y * y + z * z < 1,
                Shape.CONE: (z > -1) & (radial < (1 - z) / 2),
                Shape.GABLE: (z > -1) & (y.abs() < 1) & (x.abs() < (1 - z) / 2),
                Shape.TAPER: (z.abs() < 1) & (x.abs() < 0.8 - 0.2 * z) & (y.abs() < 0.9 - 0.1 * z),
                Shape.WEDGE: (z > -1) & (z < x) & (x < 1) & (y.abs() < 1),
            }[Shape(int(solids.shape[row]))]
        )
    return torch.stack(columns, 1)


def test_box_room_matches_the_closed_form() -> None:
    made = scene()
    grey, size, eye = made.plain((1, 1, 1)), (4.0, 3.0, 2.5), torch.tensor([1.2, 0.8, 1.4])
    pen = made.pen("wall")
    pen.box((2, 1.5, -0.2), (5, 4, 0.2), grey)
    pen.box((2, 1.5, 2.5), (5, 4, 0.2), grey)
    for x in (-0.1, 4.1):
        pen.box((x, 1.5, 0), (0.2, 4, 2.5), grey)
    for y in (-0.1, 3.1):
        pen.box((2, y, 0), (5, 0.2, 2.5), grey)
    directions = sphere_directions()
    measured, owner = first_hits(made.primitives(), eye, directions)
    wall = torch.where(directions > 0, torch.tensor(size)[:, None], 0.0)
    expected = ((wall - eye[:, None]) / directions).min(dim=0).values
    assert (owner >= 0).all()
    assert torch.allclose(measured, expected, atol=1e-5)


def test_ball_cylinder_and_cone_at_known_distances() -> None:
    made = scene()
    grey = made.plain((1, 1, 1))
    pen = made.pen("clutter")
    pen.ball((5, 0, 0), 1.5, grey)
    pen.cylinder((0, 4, -1), 0.5, 2, grey)
    pen.cone((-6, 0, -1), 2.0, 2.0, grey)
    directions = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0], [0, -1.0, 0]]).T.contiguous()
    measured, owner = first_hits(made.primitives(), torch.zeros(3), directions)
    assert measured[:3].tolist() == pytest.approx([3.5, 3.5, 5.0], abs=1e-5)
    assert owner.tolist() == [0, 1, 2, -1]
    assert math.isinf(float(measured[3]))


def test_hits_lie_on_surfaces_and_nothing_stands_before_them() -> None:
    solids, directions = mixed_solids().primitives(), sphere_directions(60)
    measured, owner = first_hits(solids, torch.zeros(3), directions)
    seen = owner >= 0
    assert set(owner[seen].tolist()) == set(range(len(solids)))
    points = (directions[:, seen] * measured[seen]).T
    assert float(surface_error(solids, owner[seen], points).max()) < 1e-5
    reach = torch.where(seen, measured, 12.0)
    for share in torch.linspace(0.02, 0.999, 60):
        walked = (directions * (reach * share)).T
        assert not inside(solids, walked, margin=2e-3).any()
    beyond = (directions[:, seen] * (measured[seen] + 0.01)).T
    entered = inside(solids, beyond).gather(1, owner[seen][:, None])
    assert float(entered.float().mean()) > 0.98


def test_normals_point_out_of_the_solid() -> None:
    solids, directions = mixed_solids().primitives(), sphere_directions(60)
    measured, owner = first_hits(solids, torch.zeros(3), directions)
    seen = owner >= 0
    row, points = owner[seen], (directions[:, seen] * measured[seen]).T
    local = unit_normals(solids.shape[row], unit_points(solids, row, points)) / solids.half[row]
    normals = torch.nn.functional.normalize(
        (solids.rotation[row] @ local[..., None])[..., 0], dim=1
    )
    assert float((normals * directions[:, seen].T).sum(1).max()) < 1e-3
    outside = inside(solids, points + 2e-3 * normals).gather(1, row[:, None])
    within = inside(solids, points - 2e-3 * normals).gather(1, row[:, None])
    assert not outside.any()
    assert float(within.float().mean()) > 0.97


def test_thin_far_pole_is_exact_in_float32() -> None:
    made = scene()
    made.pen("pole").cylinder((50, 0, -3), 0.03, 6.0, made.plain((1, 1, 1)))
    offsets = torch.linspace(-0.025, 0.025, 101, dtype=torch.float64)
    targets = torch.stack((50 - torch.sqrt(0.03**2 - offsets**2), offsets, 0 * offsets))
    expected = targets.norm(dim=0)
    directions = (targets / expected).to(torch.float32)
    measured, _ = first_hits(made.primitives(), torch.zeros(3), directions)
    assert float((measured.double() - expected).abs().max()) < 1e-4


def test_shadow_of_a_distant_light_is_a_ray_that_hits() -> None:
    solids = mixed_solids().primitives()
    rng = np.random.default_rng(3)
    points = torch.tensor(rng.uniform(-3, 3, (400, 3)), dtype=torch.float32)
    points = points[~inside(solids, points).any(dim=1)]
    light = torch.nn.functional.normalize(torch.tensor([0.5, -0.3, 0.6]), dim=0)
    expected = [
        int(first_hits(solids, point, light[:, None].contiguous())[1][0]) >= 0 for point in points
    ]
    assert in_shadow(solids, points.T.contiguous(), light).tolist() == expected
    assert 20 < sum(expected) < len(expected) - 20
