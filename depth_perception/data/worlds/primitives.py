"""Convex solids and the exact intersection of rays with them.

Every solid is a unit shape stretched by its half sizes, rotated and moved to its centre. A ray is
transformed into the unit frame, where the intersection is simple; the ray parameter stays the
metric distance because the transformation is affine. Rays start outside of the solids, so that the
first crossing is always an entry.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TypeVar

import torch
from torch import Tensor

FAR = float("inf")
BLOCK = 64
"""Rays are tested against the ball round a solid in blocks of so many neighbours."""


class Shape(IntEnum):
    """Unit shapes; all of them lie within [-1, 1] along every axis.

    ``BOX`` is the cube, ``ELLIPSOID`` the ball, ``CYLINDER`` and ``CONE`` stand along z (the tip
    of the cone at z = 1), ``GABLE`` is a triangular prism along y with its ridge at z = 1,
    ``TAPER`` a cube whose top is 0.6 times as long in x and 0.8 times as wide in y, ``WEDGE`` the
    half of the cube below z = x, a ramp that rises along x.
    """

    BOX = 0
    CYLINDER = 1
    ELLIPSOID = 2
    CONE = 3
    GABLE = 4
    TAPER = 5
    WEDGE = 6


PLANES: dict[Shape, tuple[tuple[float, float, float, float], ...]] = {
    Shape.TAPER: (
        (1, 0, 0.2, 0.8), (-1, 0, 0.2, 0.8), (0, 1, 0.1, 0.9), (0, -1, 0.1, 0.9),
        (0, 0, 1, 1), (0, 0, -1, 1),
    ),
    Shape.WEDGE: ((-1, 0, 1, 0), (1, 0, 0, 1), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, -1, 1)),
}  # fmt: skip
"""Half spaces a x + b y + c z <= d of the shapes that are cut from the cube."""


R = TypeVar("R", bound="Rows")


class Rows:
    """Base of dataclasses that hold tensors of the same length."""

    def to(self: R, device: torch.device | str) -> R:
        """The same on another device."""
        return type(self)(*(getattr(self, f.name).to(device) for f in fields(self)))

    def take(self: R, index: Tensor) -> R:
        """The rows ``index``, numbers or a mask."""
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))

    def joined(self: R, more: R) -> R:
        """These rows, and those of ``more`` behind them."""
        pairs = ((getattr(self, f.name), getattr(more, f.name)) for f in fields(self))
        return type(self)(*map(torch.cat, pairs))


@dataclass(frozen=True)
class Primitives(Rows):
    """N solids in world coordinates (x, y on the ground, z up; metres).

    Attributes:
        shape: (N,) int64, see :class:`Shape`.
        centre: (N, 3).
        rotation: (N, 3, 3), columns are the local axes in the world.
        half: (N, 3) half sizes along the local axes.
        material, top_material: (N,) int64 rows of the material table, for faces whose normal is
            mostly horizontal, and for those that point up or down.
        class_id, instance_id: (N,) int64; instance 0 for classes that are not counted.
        casts: (N,) bool, whether the solid casts shadows.
    """

    shape: Tensor
    centre: Tensor
    rotation: Tensor
    half: Tensor
    material: Tensor
    top_material: Tensor
    class_id: Tensor
    instance_id: Tensor
    casts: Tensor

    def __len__(self) -> int:
        return len(self.shape)

    def radii(self) -> Tensor:
        """(N,) radius of a ball about the centre that holds the solid."""
        flat = torch.maximum(self.half[:, 0], self.half[:, 1])
        round_body = torch.hypot(flat, self.half[:, 2])
        largest = self.half.max(dim=1).values
        radius = self.half.norm(dim=1)
        is_round = (self.shape == Shape.CYLINDER) | (self.shape == Shape.CONE)
        radius = torch.where(is_round, round_body, radius)
        return torch.where(self.shape == Shape.ELLIPSOID, largest, radius) * (1 + 1e-5)

    def to_unit(self) -> Tensor:
        """(N, 3, 3) matrices that map world offsets from the centre to the unit frame."""
        return self.rotation.transpose(1, 2) / self.half[:, :, None]


def first_hits(primitives: Primitives, origin: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest surface of rays that share one origin.

    Args:
        primitives: the solids.
        origin: (3,) start of all rays, outside of the solids.
        directions: (3, M) unit directions; fastest where neighbours in the list are close.

    Returns:
        range in metres, (M,), infinite where nothing is hit, and the row of the solid, (M,)
        int64, -1 where nothing is hit.
    """
    count = directions.shape[1]
    if count == 0:
        return directions.new_zeros(0), torch.zeros(0, dtype=torch.int64, device=directions.device)
    rays = _in_blocks(directions)
    nearest = torch.full_like(rays[0], FAR)
    owner = torch.full_like(nearest, -1, dtype=torch.int64)
    farthest = nearest.amax(dim=1)
    unit = primitives.to_unit()
    offsets = origin - primitives.centre
    unit_origins = (unit @ offsets[:, :, None])[:, :, 0]
    distance, radii = offsets.norm(dim=1), primitives.radii()
    visible = _blocks_in_sight(rays, -offsets / distance.clamp_min(1e-9)[:, None], distance, radii)
    shapes, closest = primitives.shape.tolist(), (distance - radii).tolist()
    for row in sorted(range(len(shapes)), key=closest.__getitem__):
        block = torch.nonzero(visible[row] & (farthest > closest[row]))[:, 0]
        if not len(block):
            continue
        seen = rays[:, block].reshape(3, -1)
        near = _enter(shapes[row], unit_origins[row, :, None], unit[row] @ seen)
        near = near.reshape(len(block), -1)
        known = nearest[block]
        closer = near < known
        nearest[block] = torch.where(closer, near, known)
        owner[block] = torch.where(closer, row, owner[block])
        farthest[block] = nearest[block].amax(dim=1)
    return nearest.reshape(-1)[:count], owner.reshape(-1)[:count]


def _in_blocks(values: Tensor) -> Tensor:
    """(3 or 2, M) as (.., blocks, BLOCK), the last column repeated to fill the last block."""
    missing = -values.shape[1] % BLOCK
    filled = torch.cat((values, values[:, -1:].expand(-1, missing)), dim=1)
    return filled.reshape(len(values), -1, BLOCK)


def _blocks_in_sight(rays: Tensor, towards: Tensor, distance: Tensor, radii: Tensor) -> Tensor:
    """(N, blocks) bool: whether the cone of a block may meet the ball round a solid."""
    axes = torch.nn.functional.normalize(rays.mean(dim=2), dim=0)
    spread = torch.acos((axes[:, :, None] * rays).sum(0).amin(dim=1).clamp(-1, 1))
    reach = torch.asin((radii / distance.clamp_min(1e-9)).clamp(max=1))
    apart = torch.acos((towards @ axes).clamp(-1, 1))
    margin = 2e-3  # acos of a float32 near 1 is not exact
    return (apart <= spread + reach[:, None] + margin) | (distance <= radii)[:, None]


def in_shadow(primitives: Primitives, points: Tensor, direction: Tensor) -> Tensor:
    """Whether a solid that casts shadows stands between points and a light at infinity.

    Args:
        points: (3, M) just above the surfaces.
        direction: (3,) unit vector towards the light.

    Returns:
        (M,) bool.
    """
    hidden = torch.zeros(points.shape[1], dtype=torch.bool, device=points.device)
    unit = primitives.to_unit()
    radii, shapes = primitives.radii().tolist(), primitives.shape.tolist()
    across = torch.linalg.svd(direction[None]).Vh[1:]
    plane, along = across @ points, direction @ points
    centre_plane = (primitives.centre @ across.T).tolist()
    far_end = (primitives.centre @ direction + primitives.radii()).tolist()
    casters = torch.nonzero(primitives.casts)[:, 0].tolist()
    remaining = torch.arange(points.shape[1], device=points.device)
    found = 0
    for row in sorted(casters, key=lambda i: -radii[i]):
        (a, b), radius = centre_plane[row], radii[row]
        apart = (plane[0] - a).square_().add_((plane[1] - b).square_())
        near = torch.nonzero((apart < radius**2).logical_and_(along < far_end[row]))[:, 0]
        if not len(near):
            continue
        picked = remaining[near]
        offsets = points[:, picked] - primitives.centre[row][:, None]
        towards = (unit[row] @ direction)[:, None].expand(3, len(near))
        blocked = picked[_enter(shapes[row], unit[row] @ offsets, towards) < FAR]
        hidden[blocked] = True
        found += len(blocked)
        if found > 0.1 * len(remaining):
            keep = ~hidden[remaining]
            remaining, plane, along = remaining[keep], plane[:, keep], along[keep]
            found = 0
            if not len(remaining):
                break
    return hidden


def unit_points(primitives: Primitives, owner: Tensor, points: Tensor) -> Tensor:
    """Points (M, 3) of the world in the unit frames of their solids ``owner`` (M,), (M, 3)."""
    offset = points - primitives.centre[owner]
    return (primitives.to_unit()[owner] @ offset[:, :, None])[:, :, 0]


def unit_normals(shape: Tensor, local: Tensor) -> Tensor:
    """Outward gradient (M, 3), not normalised, of unit shapes ``shape`` (M,) at surface points."""
    x, y, z = local.unbind(1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    size = local.abs()
    largest = size.argmax(dim=1, keepdim=True)
    box = torch.zeros_like(local).scatter(1, largest, torch.sign(local.gather(1, largest)))
    radial = torch.hypot(x, y)
    cap = torch.stack((zero, zero, torch.sign(z)), 1)
    side = torch.stack((x, y, zero), 1)
    cylinder = torch.where((z.abs() >= radial)[:, None], cap, side)
    base = torch.stack((zero, zero, -one), 1)
    mantle = torch.stack((x, y, (1 - z) / 4), 1)
    cone = torch.where((radial - (1 - z) / 2 >= -1 - z)[:, None], mantle, base)
    slope = torch.stack((torch.sign(x), zero, one / 2), 1)
    end = torch.stack((zero, torch.sign(y), zero), 1)
    faces = torch.stack((slope, end, base), 1)
    excess = torch.stack((x.abs() + (z + 1) / 2 - 1, y.abs() - 1, -1 - z), 1)
    pick = excess.argmax(dim=1)[:, None, None].expand(-1, 1, 3)
    gable = faces.gather(1, pick)[:, 0]
    kinds = Shape.CYLINDER, Shape.ELLIPSOID, Shape.CONE, Shape.GABLE
    normal = box
    for kind, value in zip(kinds, (cylinder, local, cone, gable), strict=True):
        normal = torch.where((shape == kind)[:, None], value, normal)
    for kind, planes in PLANES.items():
        index = torch.nonzero(shape == kind)[:, 0]
        table = local.new_tensor(planes)
        nearest = (local[index] @ table[:, :3].T - table[:, 3]).argmax(dim=1)
        normal[index] = table[nearest, :3]
    return normal


def _enter(shape: int, origin: Tensor, direction: Tensor) -> Tensor:
    """Ray parameter (M,) of the entry into a unit shape, infinite where there is none.

    ``origin`` (3, 1 or M) is first moved to the point of closest approach to the centre, which
    keeps the quadratic equations well conditioned in float32 however far away the solid is.
    """
    x, y, z = direction.unbind(0)
    shift = -(origin * direction).sum(0) / (direction * direction).sum(0)
    a, b, c = (origin + shift * direction).unbind(0)
    if shape == Shape.BOX:
        near, far = _slab(a, x)
        for value, slope in ((b, y), (c, z)):
            low, high = _slab(value, slope)
            near, far = torch.maximum(near, low), torch.minimum(far, high)
    elif shape == Shape.ELLIPSOID:
        square = x * x + y * y + z * z
        reach = torch.sqrt((1 - a * a - b * b - c * c) / square)
        near, far = -reach, reach
    elif shape == Shape.CYLINDER:
        square = (x * x + y * y).clamp_min(1e-20)
        middle = -(a * x + b * y) / square
        p, q = a + middle * x, b + middle * y
        reach = torch.sqrt((1 - p * p - q * q) / square)
        low, high = _slab(c, z)
        near, far = torch.maximum(middle - reach, low), torch.minimum(middle + reach, high)
    elif shape == Shape.CONE:
        return _finish(shift + _enter_cone(a, b, c, x, y, z))
    else:
        if shape == Shape.GABLE:
            near, far = _slab(b, y)
            planes = [(a + c / 2, x + z / 2, 0.5), (c / 2 - a, z / 2 - x, 0.5), (-c, -z, 1.0)]
        else:
            near, far = torch.full_like(a * x, -FAR), torch.full_like(a * x, FAR)
            planes = [
                (p * a + q * b + r * c, p * x + q * y + r * z, bound)
                for p, q, r, bound in PLANES[Shape(shape)]
            ]
        for value, slope, bound in planes:
            safe = torch.where(slope.abs() < 1e-12, 1e-12, slope)
            crossing = (bound - value) / safe
            near = torch.maximum(near, torch.where(safe < 0, crossing, -FAR))
            far = torch.minimum(far, torch.where(safe > 0, crossing, FAR))
    return _finish(torch.where(near <= far, shift + near, FAR))


def _finish(entry: Tensor) -> Tensor:
    return torch.where(entry > 0, entry, FAR)


def _slab(value: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters at which ``value + t slope`` enters and leaves [-1, 1]."""
    inverse = 1 / torch.where(slope.abs() < 1e-12, 1e-12, slope)
    middle, reach = -value * inverse, inverse.abs()
    return middle - reach, middle + reach


def _enter_cone(a: Tensor, b: Tensor, c: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    half_radius, half_slope = (1 - c) / 2, -z / 2
    square = x * x + y * y - half_slope * half_slope
    square = torch.where(square.abs() < 1e-12, 1e-12, square)
    linear = a * x + b * y - half_radius * half_slope
    rest = a * a + b * b - half_radius * half_radius
    root = torch.sqrt(linear * linear - square * rest)
    first = torch.full_like(a, FAR)
    for t in ((-linear - root) / square, (-linear + root) / square):
        height = c + t * z
        good = (height >= -1) & (height <= 1)
        first = torch.where(good & (t < first), t, first)
    base = (-1 - c) / torch.where(z.abs() < 1e-12, 1e-12, z)
    good = (a + base * x).square() + (b + base * y).square() <= 1
    return torch.where(good & (base < first), base, first)
