"""Class lists of panoptic models: those of Cityscapes, COCO and synthetic worlds, and others from
YAML files."""

from __future__ import annotations

import colorsys
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .limits import PARAMETER_BYTES, LimitError, printable, regular_file
from .plain_yaml import YamlError, load_yaml


@dataclass(frozen=True)
class PanopticClass:
    """One class of a panoptic model; its number is its place in the list.

    Attributes:
        name: what people call it.
        is_thing: whether its objects are counted.
        colour: RGB, 0..255, for visualisation.
    """

    name: str
    is_thing: bool
    colour: tuple[int, int, int]


# In the order of Cityscapes' trainIds, with its colours.
CITYSCAPES: tuple[PanopticClass, ...] = (
    PanopticClass("road", False, (128, 64, 128)),
    PanopticClass("sidewalk", False, (244, 35, 232)),
    PanopticClass("building", False, (70, 70, 70)),
    PanopticClass("wall", False, (102, 102, 156)),
    PanopticClass("fence", False, (190, 153, 153)),
    PanopticClass("pole", False, (153, 153, 153)),
    PanopticClass("traffic light", False, (250, 170, 30)),
    PanopticClass("traffic sign", False, (220, 220, 0)),
    PanopticClass("vegetation", False, (107, 142, 35)),
    PanopticClass("terrain", False, (152, 251, 152)),
    PanopticClass("sky", False, (70, 130, 180)),
    PanopticClass("person", True, (220, 20, 60)),
    PanopticClass("rider", True, (255, 0, 0)),
    PanopticClass("car", True, (0, 0, 142)),
    PanopticClass("truck", True, (0, 0, 70)),
    PanopticClass("bus", True, (0, 60, 100)),
    PanopticClass("train", True, (0, 80, 100)),
    PanopticClass("motorcycle", True, (0, 0, 230)),
    PanopticClass("bicycle", True, (119, 11, 32)),
)

# COCO panoptic in the order of its category numbers.
_COCO_THINGS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire
hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear,
zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports
ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine
glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot
dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book,
clock, vase, scissors, teddy bear, hair drier, toothbrush
"""
_COCO_STUFF = """
banner, blanket, bridge, cardboard, counter, curtain, door-stuff, floor-wood, flower, fruit,
gravel, house, light, mirror-stuff, net, pillow, platform, playingfield, railroad, river,
road, roof, sand, sea, shelf, snow, stairs, tent, towel, wall-brick, wall-stone, wall-tile,
wall-wood, water-other, window-blind, window-other, tree-merged, fence-merged, ceiling-merged,
sky-other-merged, cabinet-merged, table-merged, floor-other-merged, pavement-merged,
mountain-merged, grass-merged, dirt-merged, paper-merged, food-other-merged,
building-other-merged, rock-merged, wall-other-merged, rug-merged
"""
_TURN = 0.7548776662  # of the hues; its multiples, modulo 1, spread evenly


def _coco() -> tuple[PanopticClass, ...]:
    """The classes with well separated colours; stuff is paler than things."""
    found: list[PanopticClass] = []
    for text, is_thing in ((_COCO_THINGS, True), (_COCO_STUFF, False)):
        for name in " ".join(text.split()).split(", "):
            place = len(found)
            value = (1.0, 0.8, 0.6)[place % 3]
            colour = colorsys.hsv_to_rgb(place * _TURN % 1, 0.9 if is_thing else 0.45, value)
            found.append(PanopticClass(name, is_thing, tuple(round(255 * part) for part in colour)))
    return tuple(found)


COCO_PANOPTIC = _coco()


def _streets_and_rooms() -> tuple[PanopticClass, ...]:
    """Classes of Cityscapes with their colours, then those of rooms."""
    known = {entry.name: entry for entry in CITYSCAPES}
    streets = """
    road, sidewalk, building, wall, fence, pole, traffic sign, vegetation, terrain, sky, person, car
    """
    return (
        *(known[name] for name in " ".join(streets.split()).split(", ")),
        PanopticClass("bin", True, (60, 110, 90)),
        PanopticClass("bench", True, (250, 170, 30)),
        *(known[name] for name in ("bus", "truck", "motorcycle", "bicycle", "traffic light")),
        PanopticClass("floor", False, (140, 110, 80)),
        PanopticClass("ceiling", False, (200, 200, 190)),
        PanopticClass("door", True, (120, 70, 20)),
        PanopticClass("window", True, (150, 200, 240)),
        PanopticClass("column", False, (170, 150, 130)),
        PanopticClass("table", True, (180, 120, 60)),
        PanopticClass("chair", True, (230, 140, 0)),
        PanopticClass("sofa", True, (200, 60, 100)),
        PanopticClass("bed", True, (130, 90, 200)),
        PanopticClass("shelf", True, (100, 160, 60)),
        PanopticClass("cupboard", True, (90, 140, 140)),
        PanopticClass("lamp", True, (255, 230, 90)),
        PanopticClass("plant", True, (40, 160, 60)),
        PanopticClass("picture", True, (220, 120, 180)),
        PanopticClass("carpet", False, (160, 60, 60)),
        PanopticClass("clutter", True, (120, 120, 200)),
        PanopticClass("mirror", False, (200, 240, 255)),
        PanopticClass("stairs", False, (190, 150, 110)),
    )


STREETS_AND_ROOMS = _streets_and_rooms()
"""Classes of the synthetic worlds, without what is no class of a scene."""


_KEYS = tuple(item.name for item in fields(PanopticClass))
_FORM = "expected {classes: [{name: car, is_thing: true, colour: [0, 0, 142]}, ...]}"


class ClassFileError(ValueError):
    """A file with classes cannot be used; the text says what is wrong in it."""


def read_classes(path: str | Path) -> tuple[PanopticClass, ...]:
    """The classes of a YAML file, in its order.

    It holds ``classes``, a list of mappings with ``name`` (a text), ``is_thing`` (true or false)
    and ``colour`` (RGB, three whole numbers from 0 to 255).

    Raises:
        ClassFileError: the file is missing, is no YAML, or a class in it is wrong.
    """
    try:
        regular_file(path, PARAMETER_BYTES)
        content = load_yaml(Path(path).read_bytes())
    except LimitError as error:
        raise ClassFileError(str(error)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ClassFileError(f"the file with classes {path} cannot be read: {reason}") from error
    except YamlError as error:
        raise ClassFileError(f"the file with classes {path} is no YAML{error}: {_FORM}") from error
    listed = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed or set(content) != {"classes"}:
        raise ClassFileError(f"{path} holds no list of classes: {_FORM}")
    try:
        classes = tuple(_class(number, entry) for number, entry in enumerate(listed))
        _check_names([entry.name for entry in classes])
    except ValueError as error:
        raise ClassFileError(f"{path}: {error}") from error
    return classes


def check_classes(
    classes: Sequence[PanopticClass], known: Sequence[PanopticClass], model: str
) -> None:
    """Raise ClassFileError if ``classes`` cannot stand for those that a model knows."""
    if len(classes) != len(known):
        raise ClassFileError(
            f"the file names {len(classes)} classes but {model} has {len(known)}: name all of them "
            "in its order"
        )
    for number, (entry, wanted) in enumerate(zip(classes, known, strict=True)):
        if entry.is_thing != wanted.is_thing:
            kind = "a thing" if wanted.is_thing else "stuff"
            raise ClassFileError(
                f"class {number} ({entry.name}) must be {kind}, as {wanted.name} of {model} is"
            )


def _class(number: int, entry: Any) -> PanopticClass:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        raise ValueError(f"class {number} must have {', '.join(_KEYS)}, got {reprlib.repr(entry)}")
    name, is_thing, colour = (entry[key] for key in _KEYS)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"class {number}: name must be a text, got {reprlib.repr(name)}")
    if not isinstance(is_thing, bool):
        raise ValueError(
            f"class {number} ({name}): is_thing must be true or false, got {reprlib.repr(is_thing)}"
        )
    is_colour = isinstance(colour, list) and len(colour) == 3
    if not is_colour or any(type(part) is not int or not 0 <= part <= 255 for part in colour):
        raise ValueError(
            f"class {number} ({name}): colour must be three whole numbers from 0 to 255, got "
            f"{reprlib.repr(colour)}"
        )
    return PanopticClass(name, is_thing, tuple(colour))


def _check_names(names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"names must differ, {printable(', '.join(twice))} comes twice")
