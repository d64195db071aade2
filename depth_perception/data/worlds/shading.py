"""Colours of worlds of version 2: traced light, reflections, glass and textures from images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .images import Images
from .primitives import Primitives
from .sky import sky
from .textures import Materials, Spot, Texture, albedo
from .tracer import Surfaces, Tracer, smooth
from .world import World

OCCLUSION_EVERY = 4
LEAST_MIRROR = 0.03
"""Surfaces that reflect less are shaded without a reflected ray."""
LEAST_PANE_MIRROR = 0.1


@dataclass(frozen=True)
class Stage:
    """A world made ready for rays.

    Attributes:
        world: the world, with float32 tables on the CPU.
        tracer: its solids. panes: its glass, None without any.
        images: what ``Texture.IMAGE`` paints with.
        pixel: angle of a pixel in radians.
    """

    world: World
    tracer: Tracer
    panes: Tracer | None
    images: Images
    pixel: float

    def trace(self, origins: Tensor, directions: Tensor) -> Surfaces:
        """Nearest surfaces of rays, see :meth:`.Tracer.trace`."""
        return self.tracer.trace(origins, directions)

    def shade(
        self,
        origins: Tensor,
        directions: Tensor,
        hits: Surfaces,
        grid: tuple[int, int] | None = None,
        bounces: int = 1,
    ) -> Tensor:
        """Linear RGB (M, 3) of rays from ``origins`` (3,) or (M, 3) that end at ``hits``.

        Args:
            origins: start of the rays. directions: (M, 3) unit vectors.
            hits: where they end.
            grid: rows and columns if the rays are a whole image: adds ambient occlusion.
            bounces: how often reflected rays are followed.
        """
        colour = torch.empty_like(directions)
        empty = hits.owner < 0
        colour[empty] = sky(self.world.light, directions[empty].T)
        seen = torch.nonzero(~empty)[:, 0]
        if len(seen):
            colour[seen] = self._surfaces(origins, directions, hits, seen, grid, bounces)
        if self.panes is not None:
            self._add_panes(colour, origins, directions, hits.range_m, bounces)
        return colour

    def _surfaces(
        self,
        origins: Tensor,
        directions: Tensor,
        hits: Surfaces,
        seen: Tensor,
        grid: tuple[int, int] | None,
        bounces: int,
    ) -> Tensor:
        world, light, table = self.world, self.world.light, self.world.materials
        ways, normals, distance = directions[seen], hits.normals[seen], hits.range_m[seen]
        row, local_normals = hits.owner[seen], hits.local_normals[seen]
        points = (origins if origins.ndim == 1 else origins[seen]) + ways * distance[:, None]
        solids = world.primitives
        material = torch.where(
            local_normals[:, 2].abs() > 0.7, solids.top_material[row], solids.material[row]
        )
        slant = -(ways * normals).sum(1)
        footprint = distance * self.pixel / slant.clamp_min(0.05).sqrt()
        spot = spots(solids, table, row, hits.local[seen], local_normals, material, footprint)
        base = albedo(table, material, spot, points)
        photo = torch.nonzero(table.texture[material] == Texture.IMAGE)[:, 0]
        if len(photo):
            base[photo] = self._paint(spot.take(photo), table.image[material[photo]])
        received, shine, free = self.tracer.light(
            points, normals, ways, light, OCCLUSION_EVERY if grid else 0
        )
        if grid:
            open_sky = torch.ones(grid[0] * grid[1])
            open_sky[seen] = free
            free = smooth(hits.owner.reshape(grid), open_sky.reshape(grid)).reshape(-1)[seen]
        up = (normals[:, 2:] * 0.5 + 0.5) * (0.3 + 0.7 * free[:, None])
        ambient = (light.ambient_down + (light.ambient_up - light.ambient_down) * up) * (
            0.3 + 0.7 * free[:, None]
        )
        gloss, glow = table.gloss[material][:, None], table.glow[material][:, None]
        result = base * (ambient + received + glow) + shine * gloss
        if bounces:
            self._reflect(result, points, ways, normals, slant, table.mirror[material], bounces)
        haze = (1 - torch.exp(-distance / light.haze_m))[:, None] * (light.haze_m < 1e4)
        return result + (light.horizon - result) * haze

    def _reflect(
        self,
        colour: Tensor,
        points: Tensor,
        ways: Tensor,
        normals: Tensor,
        slant: Tensor,
        mirror: Tensor,
        bounces: int,
    ) -> None:
        """Mix what polished surfaces reflect into ``colour`` (M, 3)."""
        grazing = (1 - slant.clamp(0, 1)) ** 4
        share = torch.where(mirror > 0.9, mirror, mirror * (0.15 + 0.85 * grazing))
        index = torch.nonzero(share > LEAST_MIRROR)[:, 0]
        if not len(index):
            return
        turned = ways[index] + 2 * slant[index, None] * normals[index]
        starts = points[index] + normals[index] * 2e-3
        seen = self.shade(starts, turned, self.trace(starts, turned), bounces=bounces - 1)
        colour[index] += (seen - colour[index]) * share[index, None]

    def _add_panes(
        self, colour: Tensor, origins: Tensor, directions: Tensor, range_m: Tensor, bounces: int
    ) -> None:
        panes = self.panes.trace(origins, directions)
        index = torch.nonzero(panes.range_m < range_m)[:, 0]
        if not len(index):
            return
        ways, normals = directions[index], panes.normals[index]
        slant = -(ways * normals).sum(1)
        share = (0.05 + 0.95 * (1 - slant.clamp(0, 1)) ** 5)[:, None]
        colour[index] *= torch.tensor([0.86, 0.9, 0.88])
        clear = share[:, 0] > LEAST_PANE_MIRROR
        if not bounces or not clear.any():
            return
        index, ways, normals, slant, share = (
            v[clear] for v in (index, ways, normals, slant, share)
        )
        turned = ways + 2 * slant[:, None] * normals
        starts = (origins if origins.ndim == 1 else origins[index]) + ways * panes.range_m[
            index, None
        ]
        starts = starts + normals * 2e-3
        seen = self.shade(starts, turned, self.trace(starts, turned), bounces=0)
        colour[index] += (seen - colour[index]) * share

    def _paint(self, spot: Spot, wanted: Tensor) -> Tensor:
        """Colours of ``Texture.IMAGE``, turned by a quarter and moved by the seed."""
        turned = spot.seed % 2 == 1
        s = torch.where(turned, spot.t, spot.s) / spot.scale[:, 0]
        t = torch.where(turned, spot.s, spot.t) / spot.scale[:, 0]
        shift = spot.seed.float() * 0.137
        place = torch.stack((s + shift, t + shift * 1.7, spot.footprint / spot.scale[:, 0]))
        return self.images.paint(wanted, place, spot.colours[:, 0], spot.colours[:, 1, :1])


def spots(
    solids: Primitives,
    table: Materials,
    row: Tensor,
    local: Tensor,
    normals: Tensor,
    material: Tensor,
    footprint: Tensor,
) -> Spot:
    """Surface coordinates of points ``local`` (M, 3): on faces from their corner, else by angle."""
    half = solids.half[row]
    x, y, z = local.unbind(1)
    hx, hy, hz = half.unbind(1)
    axis = normals.abs().argmax(dim=1)
    shape = solids.shape[row]
    round_side = ((shape == 1) | (shape == 2) | (shape == 3)) & (axis != 2)
    girth = torch.maximum(hx, hy)
    s = torch.where(axis == 0, y * torch.sign(normals[:, 0]) + hy, x + hx)
    s = torch.where(axis == 1, hx - x * torch.sign(normals[:, 1]), s)
    s = torch.where(round_side, (torch.atan2(y, x) + torch.pi) * girth, s)
    t = torch.where(axis == 2, y + hy, z + hz)
    width = torch.where(axis == 0, 2 * hy, 2 * hx)
    width = torch.where(round_side, 2 * torch.pi * girth, width)
    height = torch.where(axis == 2, 2 * hy, 2 * hz)
    return Spot(
        s, t, width, height, footprint,
        table.colours[material], table.scale[material], table.seed[material],
    )  # fmt: skip
