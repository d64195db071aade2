"""Rendered images and exact ground truth of a world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...geometry import Camera
from .classes import CLASS_ID
from .images import load_images
from .primitives import first_hits, in_shadow, unit_normals, unit_points
from .shading import Stage
from .sky import sky
from .textures import Spot, albedo
from .tracer import Tracer
from .world import World

LIFT_M = 2e-3
"""Start of shadow rays above the surface."""

SUB_PIXELS = ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625))
"""Positions (u, v) of the samples in a border pixel."""
FEW_SUB_PIXELS = ((0.15, 0.65), (0.8, 0.25))
"""Positions of the samples beside that of the centre, in worlds of version 2."""


WITHOUT_RANGE = ("mirror", "ego")
"""Classes whose surfaces are in the image, but have no range: a lidar sees nothing useful there."""

_AROUND = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
_LAST: list = []


@dataclass(frozen=True)
class Frame:
    """One image with ground truth; all maps are for the rays of the pixel centres.

    Attributes:
        rgb: (H, W, 3) uint8.
        range_m: (H, W) float32, metres along the ray, infinite without a surface.
        z_m: (H, W) float32, metres along the optical axis (negative behind the camera).
        normals: (H, W, 3) float32 unit vectors in the optical frame, 0 without a surface.
        classes: (H, W) int64, ids of :data:`CLASSES`.
        instances: (H, W) int64, 0 for classes without instances.
        solids: (H, W) int64, row of the solid, -1 without a surface.
        camera: camera of the pixel grid.
        pose: (4, 4) float64, optical frame to world.
    """

    rgb: Tensor
    range_m: Tensor
    z_m: Tensor
    normals: Tensor
    classes: Tensor
    instances: Tensor
    solids: Tensor
    camera: Camera
    pose: Tensor


@dataclass(frozen=True)
class _Hits:
    range_m: Tensor
    owner: Tensor
    directions: Tensor
    normals: Tensor
    local_normals: Tensor
    seen: Tensor


@torch.no_grad()
def render(
    world: World,
    camera: Camera,
    pose: Tensor,
    *,
    device: torch.device | str = "cpu",
    shadows: bool = True,
    antialias: bool = False,
    textures: str = "",
) -> Frame:
    """Render a world from a pose.

    Args:
        world: the world to render.
        camera: any central camera.
        pose: (4, 4) optical frame to world; the camera centre must lie outside of all solids.
        device: device of the computation and of the frame.
        shadows: whether the sun and the shadow lamps cast shadows.
        antialias: whether pixels on the edges of solids average four more samples. Ground
            truth always refers to the ray of the pixel centre.
        textures: folder of photographs for the surfaces of version 2, see
            :func:`.images.load_images`.

    Raises:
        RuntimeError: a world of version 2, and no C++ compiler.
    """
    if world.version > 1:
        return _render_traced(world, camera, pose, antialias, textures)
    world = world.to(device)
    height, width = camera.height, camera.width
    turn = pose[:3, :3].to(device=device, dtype=torch.float32)
    origin = pose[:3, 3].to(device=device, dtype=torch.float32)
    rays = camera.rays(device=device)
    order = _tile_order(height, width).to(device)
    hits = _trace(world, rays.reshape(-1, 3), origin, turn, order)
    pixel = _pixel_angle(camera)
    display = _to_display(_shade(world, hits, origin, shadows, pixel))
    if antialias:
        border = order[_borders(hits.owner.reshape(height, width)).reshape(-1)[order]]
        if len(border):
            fine_rays = _sub_rays(camera, border.cpu()).to(device)
            fine = _trace(world, fine_rays, origin, turn, torch.arange(len(fine_rays)).to(device))
            shades = _to_display(_shade(world, fine, origin, shadows, pixel / 2))
            samples = shades.reshape(len(border), len(SUB_PIXELS), 3)
            display[border] = samples.mean(dim=1)
    normals = (turn.T @ hits.normals).T
    return _frame(world, camera, pose, display, hits.range_m, hits.owner, normals)


def _render_traced(
    world: World, camera: Camera, pose: Tensor, antialias: bool, textures: str
) -> Frame:
    """:func:`render` of worlds of version 2."""
    stage = stage_of(world, _pixel_angle(camera), textures)
    turn, origin = pose[:3, :3].float(), pose[:3, 3].float()
    grid, directions = (camera.height, camera.width), camera.rays().reshape(-1, 3) @ turn.T
    hits = stage.trace(origin, directions)
    linear = stage.shade(origin, directions, hits, grid)
    gain = _exposure(linear)
    display = _to_display(linear * gain)
    if antialias:
        border = torch.nonzero(_borders(hits.owner.reshape(grid)).reshape(-1))[:, 0]
        if len(border):
            fine = _sub_rays(camera, border, FEW_SUB_PIXELS) @ turn.T
            samples = _sub_colours(
                stage, origin, fine, border, hits.owner.reshape(grid), display, gain
            )
            total = display[border] + samples.reshape(len(border), -1, 3).sum(dim=1)
            display[border] = total / (1 + len(FEW_SUB_PIXELS))
    range_m, owner = hits.range_m, hits.owner
    return _frame(world, camera, pose, display, range_m, owner, hits.normals @ turn)


def _sub_colours(
    stage: Stage,
    origin: Tensor,
    fine: Tensor,
    border: Tensor,
    owner: Tensor,
    display: Tensor,
    gain: float,
) -> Tensor:
    """Display RGB (P * 2, 3) of rays within border pixels (P,).

    A ray takes the colour of a neighbouring pixel on the same solid; only rays that hit what no
    neighbour shows are shaded.
    """
    height, width = owner.shape
    hits = stage.trace(origin, fine)
    v, u = border // width, border % width
    rows = torch.stack([(v + dv).clamp(0, height - 1) for dv, _ in _AROUND], 1)
    pixels = rows * width + torch.stack([(u + du) % width for _, du in _AROUND], 1)
    pixels = pixels.repeat_interleave(len(FEW_SUB_PIXELS), dim=0)
    same = owner.reshape(-1)[pixels] == hits.owner[:, None]
    colours = display[pixels.gather(1, same.int().argmax(dim=1, keepdim=True))[:, 0]]
    alone = torch.nonzero(~same.any(dim=1))[:, 0]
    if len(alone):
        colours[alone] = _to_display(gain * stage.shade(origin, fine[alone], hits.take(alone)))
    return colours


def _exposure(linear: Tensor) -> float:
    """Gain of an automatic exposure for linear RGB (M, 3), which keeps night darker than day."""
    level = float(linear.mean(dim=1).clamp(0, 2).mean())
    return min(6.0, max(0.5, (0.45 / (level + 0.01)) ** 0.6))


def stage_of(world: World, pixel: float, textures: str = "") -> Stage:
    """The world ready for rays; that of the last world is kept."""
    if not _LAST or _LAST[0] is not world:
        panes = Tracer(world.panes) if world.panes is not None else None
        _LAST[:] = world, Tracer(world.primitives), panes
    return Stage(world, *_LAST[1:], load_images(textures), pixel)


def _pixel_angle(camera: Camera) -> float:
    """Angle between neighbouring columns, radians."""
    middle = camera.rays()[camera.height // 2]
    if camera.width < 2:
        return 0.01
    return float(torch.linalg.cross(middle[:-1], middle[1:]).norm(dim=1).max())


def _frame(
    world: World,
    camera: Camera,
    pose: Tensor,
    display: Tensor,
    range_m: Tensor,
    owner: Tensor,
    normals: Tensor,
) -> Frame:
    """The frame of the results of all pixels (M, ...)."""
    height, width = camera.height, camera.width
    solid, range_m = owner.reshape(height, width), range_m.reshape(height, width)
    row, hit = solid.clamp_min(0), solid >= 0
    classes = torch.where(hit, world.primitives.class_id[row], CLASS_ID["sky"])
    hollow = sum(classes == CLASS_ID[name] for name in WITHOUT_RANGE) > 0
    range_m = torch.where(hollow, torch.inf, range_m)
    z_m = range_m * camera.rays(device=range_m.device)[..., 2]
    return Frame(
        rgb=(display.reshape(height, width, 3) * 255).round().to(torch.uint8),
        range_m=range_m,
        z_m=torch.where(torch.isfinite(range_m), z_m, range_m),
        normals=normals.reshape(height, width, 3),
        classes=classes,
        instances=torch.where(hit, world.primitives.instance_id[row], 0),
        solids=solid,
        camera=camera,
        pose=pose,
    )


def _borders(owner: Tensor) -> Tensor:
    """(H, W) bool: pixels with a neighbour on another solid."""
    border = torch.zeros_like(owner, dtype=torch.bool)
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    return border


def _sub_rays(
    camera: Camera, pixels: Tensor, places: tuple[tuple[float, float], ...] = SUB_PIXELS
) -> Tensor:
    """(P * places, 3) rays within the pixels (P,) of the flattened grid."""
    v, u = pixels // camera.width, pixels % camera.width
    offsets = torch.tensor(places, dtype=torch.float64)
    rays = camera.directions(u[:, None] + offsets[:, 0], v[:, None] + offsets[:, 1])
    return rays.reshape(-1, 3).to(torch.float32)


@lru_cache(maxsize=8)
def _tile_order(height: int, width: int) -> Tensor:
    """(H * W,) pixels of the flattened grid, tile by tile of 8 x 8."""
    row, column = torch.arange(height)[:, None], torch.arange(width)[None]
    tile = (row // 8) * width + column // 8
    place = tile * 64 + (row % 8) * 8 + column % 8
    return torch.argsort(place.reshape(-1))


def _trace(world: World, rays: Tensor, origin: Tensor, turn: Tensor, order: Tensor) -> _Hits:
    """Hits of rays (M, 3); ``order`` (M,) lists them so that neighbours are close."""
    directions = (turn @ rays.T).contiguous()
    range_m, owner = directions.new_empty(len(rays)), torch.empty_like(order)
    range_m[order], owner[order] = first_hits(world.primitives, origin, directions[:, order])
    seen = order[owner[order] >= 0]
    normals, local_normals = torch.zeros_like(directions), torch.zeros_like(directions)
    points = origin + (directions[:, seen] * range_m[seen]).T
    solids, row = world.primitives, owner[seen]
    gradient = unit_normals(solids.shape[row], unit_points(solids, row, points))
    local = torch.nn.functional.normalize(gradient / solids.half[row], dim=1)
    local_normals[:, seen] = local.T
    normals[:, seen] = (solids.rotation[row] @ local[:, :, None])[:, :, 0].T
    return _Hits(range_m, owner, directions, normals, local_normals, seen)


def _shade(world: World, hits: _Hits, origin: Tensor, shadows: bool, pixel: float) -> Tensor:
    """Linear RGB (M, 3) of every ray."""
    colour = sky(world.light, hits.directions)
    seen, light = hits.seen, world.light
    if not len(seen):
        return colour
    row, normals, directions = hits.owner[seen], hits.normals[:, seen], hits.directions[:, seen]
    distance = hits.range_m[seen]
    points = origin[:, None] + directions * distance
    solids = world.primitives
    flat = hits.local_normals[2, seen].abs() > 0.7
    material = torch.where(flat, solids.top_material[row], solids.material[row])
    slant = (-(directions * normals).sum(0)).clamp_min(0.05)
    footprint = distance * pixel / slant.sqrt()
    spot = _spot(world, row, points, hits.local_normals[:, seen], material, footprint)
    base = albedo(world.materials, material, spot, points.T)
    up = (normals[2] * 0.5 + 0.5)[:, None]
    received = light.ambient_down + (light.ambient_up - light.ambient_down) * up
    near = torch.exp(-points[2].clamp_min(0) / 0.25)  # darker close to the ground
    received = received * (1 - 0.35 * near * (1 - normals[2].clamp(0, 1)))[:, None]
    shine = torch.zeros_like(received)
    gloss = world.materials.gloss[material]
    mirrored = directions - 2 * (directions * normals).sum(0) * normals
    lifted = points + normals * LIFT_M
    if float(light.sun_colour.max()) > 0:
        facing = (light.sun_direction @ normals).clamp_min(0)
        lit = torch.nonzero(facing > 0)[:, 0]
        if shadows and len(lit):
            facing[lit[in_shadow(solids, lifted[:, lit], light.sun_direction)]] = 0
        received = received + facing[:, None] * light.sun_colour
        glance = (light.sun_direction @ mirrored).clamp_min(0) ** 60
        shine = shine + (glance * gloss * (facing > 0))[:, None] * light.sun_colour
    for index, (lamp, strength) in enumerate(zip(light.lamps, light.lamp_colours, strict=True)):
        offset = lamp[:, None] - lifted
        reach = offset.norm(dim=0)
        towards = offset / reach
        facing = (towards * normals).sum(0).clamp_min(0) / (1 + (reach / 2.5).square())
        lit = torch.nonzero(facing > 1e-3)[:, 0]
        if shadows and index < light.shadow_lamps and len(lit):
            blocked, _ = first_hits(solids.take(solids.casts), lamp, -towards[:, lit].contiguous())
            facing[lit[blocked < reach[lit] - LIFT_M]] = 0
        received = received + facing[:, None] * strength
        glance = (towards * mirrored).sum(0).clamp_min(0) ** 40
        shine = shine + (glance * gloss * (facing > 0) * 0.5)[:, None] * strength
    glow = world.materials.glow[material][:, None]
    result = base * (received + glow) + shine
    haze = (1 - torch.exp(-distance / light.haze_m))[:, None] * float(light.sun_colour.max() > 0)
    colour[seen] = result + (light.horizon - result) * haze
    return colour


def _spot(
    world: World, row: Tensor, points: Tensor, normals: Tensor, material: Tensor, footprint: Tensor
) -> Spot:
    """Surface coordinates: faces of boxes from their corner, round bodies by angle and height.

    ``normals`` (3, M) are in the frames of the solids.
    """
    solids = world.primitives
    half = solids.half[row]
    local = (unit_points(solids, row, points.T) * half).T
    x, y, z = local
    hx, hy, hz = half.T
    axis = normals.abs().argmax(dim=0)
    round_side = ((solids.shape[row] == 1) | (solids.shape[row] == 2)) & (axis != 2)
    angle = (torch.atan2(y, x) + math.pi) * torch.maximum(hx, hy)
    s = torch.where(axis == 0, y * torch.sign(normals[0]) + hy, x + hx)
    s = torch.where(axis == 1, hx - x * torch.sign(normals[1]), s)
    s = torch.where(round_side, angle, s)
    t = torch.where(axis == 2, y + hy, z + hz)
    width = torch.where(axis == 0, 2 * hy, 2 * hx)
    width = torch.where(round_side, 2 * math.pi * torch.maximum(hx, hy), width)
    height = torch.where(axis == 2, 2 * hy, 2 * hz)
    table = world.materials
    style = (values[material] for values in (table.colours, table.scale, table.seed))
    return Spot(s, t, width, height, footprint, *style)


def _to_display(linear: Tensor) -> Tensor:
    """Tone curve with a soft shoulder, then the sRGB-like gamma; (M, 3) in 0..1."""
    return (1 - torch.exp(-1.25 * linear.clamp_min(0))).clamp(0, 1) ** (1 / 2.2)
