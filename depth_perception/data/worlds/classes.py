"""The classes of the synthetic worlds: Cityscapes' names for streets, and classes of rooms."""

from __future__ import annotations

from dataclasses import dataclass

from ...segment_classes import CITYSCAPES


@dataclass(frozen=True)
class WorldClass:
    """One semantic class.

    Attributes:
        id: number in class maps; 0 means "no surface" (sky included there as its own class).
        name: name shown to users.
        is_thing: whether its objects have an instance id.
        colour: RGB, 0..255, for images of class maps.
    """

    id: int
    name: str
    is_thing: bool
    colour: tuple[int, int, int]


_CITYSCAPES = {entry.name: entry for entry in CITYSCAPES}
_OF_STREETS = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "car"),
)
CLASSES: tuple[WorldClass, ...] = (
    WorldClass(0, "none", False, (0, 0, 0)),
    *(
        WorldClass(number, **vars(_CITYSCAPES[name]))
        for number, name in enumerate(_OF_STREETS, start=1)
    ),
    WorldClass(13, "bin", True, (60, 110, 90)),
    WorldClass(14, "bench", True, (250, 170, 30)),
    WorldClass(15, "bus", True, (0, 60, 100)),
    WorldClass(16, "truck", True, (0, 0, 70)),
    WorldClass(17, "motorcycle", True, (0, 0, 230)),
    WorldClass(18, "bicycle", True, (119, 11, 32)),
    WorldClass(19, "traffic light", False, (250, 170, 30)),
    WorldClass(20, "floor", False, (140, 110, 80)),
    WorldClass(21, "ceiling", False, (200, 200, 190)),
    WorldClass(22, "door", True, (120, 70, 20)),
    WorldClass(23, "window", True, (150, 200, 240)),
    WorldClass(24, "column", False, (170, 150, 130)),
    WorldClass(25, "table", True, (180, 120, 60)),
    WorldClass(26, "chair", True, (230, 140, 0)),
    WorldClass(27, "sofa", True, (200, 60, 100)),
    WorldClass(28, "bed", True, (130, 90, 200)),
    WorldClass(29, "shelf", True, (100, 160, 60)),
    WorldClass(30, "cupboard", True, (90, 140, 140)),
    WorldClass(31, "lamp", True, (255, 230, 90)),
    WorldClass(32, "plant", True, (40, 160, 60)),
    WorldClass(33, "picture", True, (220, 120, 180)),
    WorldClass(34, "carpet", False, (160, 60, 60)),
    WorldClass(35, "clutter", True, (120, 120, 200)),
    WorldClass(36, "mirror", False, (200, 240, 255)),
    WorldClass(37, "stairs", False, (190, 150, 110)),
    WorldClass(38, "ego", False, (30, 30, 30)),
)

CLASS_ID: dict[str, int] = {entry.name: entry.id for entry in CLASSES}
IS_THING: dict[int, bool] = {entry.id: entry.is_thing for entry in CLASSES}
