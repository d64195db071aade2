"""Building a world: a scene collects solids and materials, a pen draws one object."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from .classes import CLASS_ID, IS_THING
from .primitives import Primitives, Shape
from .textures import GROUPS, Materials, Texture

Colour = tuple[float, float, float]
Vector = Sequence[float]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Linear RGB of a colour in display values."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return red**2.2, green**2.2, blue**2.2


def darker(colour: Colour, factor: float) -> Colour:
    """The colour times ``factor``, at most 1."""
    return tuple(min(1.0, channel * factor) for channel in colour)


def by(x: float, y: float, z: float) -> np.ndarray:
    """(3,) an offset."""
    return np.array((x, y, z), dtype=float)


@dataclass
class Scene:
    """Solids and materials of a world under construction.

    Attributes:
        rng: source of every random choice.
        solids, materials: rows of the tables.
        instances: number of counted objects.
        fine: whether the world is of version 2, with textures from images.
        ground: dry, wet or snow; outdoors.
        lamps: place, colour times strength, and low and high corner of what a lamp reaches.
        glass: a scene of clear panes, see :class:`.world.World`.
        floor_m: height of the ground where the camera moves.
    """

    rng: np.random.Generator
    solids: list[tuple] = field(default_factory=list)
    materials: list[tuple] = field(default_factory=list)
    instances: int = 0
    fine: bool = False
    ground: str = "dry"
    lamps: list[tuple[float, ...]] = field(default_factory=list)
    glass: Scene | None = None
    floor_m: float = 0.0

    def uniform(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence):
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def colour(self, *hsv_ranges: float | tuple[float, float]) -> Colour:
        """:func:`hsv` of three values, each fixed or drawn between two bounds."""
        return hsv(*(self.uniform(*v) if isinstance(v, tuple) else v for v in hsv_ranges))

    def material(
        self,
        texture: Texture,
        a: Colour,
        b: Colour | float = 0.75,
        c: Colour | float = 0.45,
        scale: tuple[float, float] | float = 1.0,
        *,
        grain: float = 0.08,
        grain_size: float = 0.15,
        gloss: float = 0.0,
        glow: float = 0.0,
        mirror: float = 0.0,
        image: float = 0.0,
    ) -> int:
        """Row of a new material; a number as a colour is a shade of ``a``, see :func:`darker`."""
        colours = (a, *(darker(a, v) if isinstance(v, float) else v for v in (b, c)))
        scale = (scale, scale) if isinstance(scale, float) else scale
        seed = int(self.rng.integers(1 << 20))
        numbers = (grain, grain_size, gloss, glow, mirror, image)
        self.materials.append((int(texture), colours, scale, *numbers, seed))
        return len(self.materials) - 1

    def photo(
        self, group: str, colour: Colour, size_m: float, own: float = 0.0, **options: float
    ) -> int:
        """Row of a new material with an image of a group, ``size_m`` metres wide.

        ``own`` is the share of the colour of the image itself. See :mod:`.images`.
        """
        image = GROUPS.index(group) + self.uniform(0.0, 0.999)
        options = {"grain": 0.0, **options}
        return self.material(Texture.IMAGE, colour, (own,) * 3, 1.0, size_m, image=image, **options)

    def plain(self, colour: Colour, **options: float) -> int:
        """Row of a new material of one colour."""
        return self.material(Texture.PLAIN, colour, **options)

    def pen(self, kind: str, x: float = 0, y: float = 0, yaw: float = 0, z: float = 0) -> Pen:
        """A pen for one object of a class, with its local frame at (x, y, z), rotated by yaw."""
        class_id = CLASS_ID[kind]
        self.instances += IS_THING[class_id]
        return Pen(self, class_id, self.instances if IS_THING[class_id] else 0, x, y, z, yaw)

    def primitives(self) -> Primitives:
        """The solids as tensors."""
        shape, *places, side, top, kind, instance, casts = zip(*self.solids, strict=True)
        geometry = (torch.tensor(np.array(column), dtype=torch.float32) for column in places)
        numbers = map(torch.tensor, (side, top, kind, instance, casts))
        return Primitives(torch.tensor(shape), *geometry, *numbers)

    def material_table(self) -> Materials:
        """The materials as tensors."""
        texture, *numbers, seed = zip(*self.materials, strict=True)
        floats = (torch.tensor(column, dtype=torch.float32) for column in numbers)
        *floats, mirror, image = floats
        seeds = torch.tensor(seed, dtype=torch.int32)
        return Materials(torch.tensor(texture), *floats, seeds, mirror, image)


@dataclass(frozen=True)
class Pen:
    """Draws the solids of one object in its local frame (x ahead, y to the left, z up)."""

    scene: Scene
    class_id: int
    instance: int
    x: float
    y: float
    z: float
    yaw: float

    def box(self, base: Vector, size: Vector, material: int, **more) -> None:
        """A box that stands on the middle of its base, with sizes along x, y and z."""
        self._stand(Shape.BOX, base, [side / 2 for side in size], material, **more)

    def cylinder(self, base: Vector, radius: float, height: float, material: int, **more) -> None:
        """An upright cylinder."""
        self._stand(Shape.CYLINDER, base, (radius, radius, height / 2), material, **more)

    def cone(self, base: Vector, radius: float, height: float, material: int, **more) -> None:
        """An upright cone with the tip above."""
        self._stand(Shape.CONE, base, (radius, radius, height / 2), material, **more)

    def taper(self, base: Vector, size: Vector, material: int, **more) -> None:
        """A box whose top is 0.6 times as long and 0.8 times as wide."""
        self._stand(Shape.TAPER, base, [side / 2 for side in size], material, **more)

    def wedge(self, base: Vector, size: Vector, material: int, **more) -> None:
        """A ramp that rises along the local x."""
        self._stand(Shape.WEDGE, base, [side / 2 for side in size], material, **more)

    def gable(self, base: Vector, size: Vector, material: int, **more) -> None:
        """A roof whose ridge runs along the local y."""
        self._stand(Shape.GABLE, base, [side / 2 for side in size], material, **more)

    def ball(self, centre: Vector, half: Vector | float, material: int, **more) -> None:
        """An ellipsoid about its centre."""
        halves = (half, half, half) if isinstance(half, (int, float)) else half
        base = (centre[0], centre[1], centre[2] - halves[2])
        self._stand(Shape.ELLIPSOID, base, halves, material, **more)

    def limb(
        self, start: Vector, end: Vector, radius: float, material: int, ends: bool = True
    ) -> None:
        """A round limb from point to point, with round ends."""
        first, last = np.asarray(start, float), np.asarray(end, float)
        length = float(np.linalg.norm(last - first))
        up = (last - first) / length
        side = np.cross(up, (0.0, 1.0, 0.0) if abs(up[1]) < 0.9 else (1.0, 0.0, 0.0))
        side /= np.linalg.norm(side)
        turn = np.stack((side, np.cross(up, side), up), axis=1)
        middle = (first + last) / 2
        self._add(Shape.CYLINDER, middle, turn, (radius, radius, length / 2), material)
        if ends:
            for point in (first, last):
                self._add(Shape.ELLIPSOID, point, np.eye(3), (radius,) * 3, material)

    def lying(
        self, centre: Vector, radius: float, length: float, material: int, top: int | None = None
    ) -> None:
        """A cylinder whose axis lies along the local y (a wheel, a bolster)."""
        turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
        self._add(Shape.CYLINDER, centre, turn, (radius, radius, length / 2), material, top=top)

    def solid_disc(
        self, centre: Vector, rotation: np.ndarray, radius: float, thickness: float, material: int
    ) -> None:
        """A flat cylinder with any rotation."""
        self._add(Shape.CYLINDER, centre, rotation, (radius, radius, thickness / 2), material)

    def _stand(
        self, shape: Shape, base: Vector, half: Vector, material: int, turn: float = 0.0, **more
    ) -> None:
        centre = np.array((base[0], base[1], base[2] + half[2]), dtype=float)
        self._add(shape, centre, yaw_matrix(turn), half, material, **more)

    def _add(
        self,
        shape: Shape,
        centre: Vector,
        rotation: np.ndarray,
        half: Vector,
        material: int,
        *,
        top: int | None = None,
        casts: bool = True,
    ) -> None:
        turn = yaw_matrix(self.yaw)
        place = turn @ np.asarray(centre, float) + (self.x, self.y, self.z)
        top = material if top is None else top
        geometry = (int(shape), place, turn @ rotation, np.asarray(half, float))
        self.scene.solids.append((*geometry, material, top, self.class_id, self.instance, casts))


def yaw_matrix(yaw: float) -> np.ndarray:
    """(3, 3) rotation about z."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
