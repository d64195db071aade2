"""The classes of the synthetic worlds: Cityscapes' names for streets, and classes of rooms."""

from __future__ import annotations

from dataclasses import dataclass

from ...segment_classes import STREETS_AND_ROOMS


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


CLASSES: tuple[WorldClass, ...] = (
    WorldClass(0, "none", False, (0, 0, 0)),
    *(WorldClass(number, **vars(entry)) for number, entry in enumerate(STREETS_AND_ROOMS, start=1)),
    WorldClass(1 + len(STREETS_AND_ROOMS), "ego", False, (30, 30, 30)),
)

CLASS_ID: dict[str, int] = {entry.name: entry.id for entry in CLASSES}
IS_THING: dict[int, bool] = {entry.id: entry.is_thing for entry in CLASSES}
