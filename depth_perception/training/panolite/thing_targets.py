"""What the network should say about things: their centres, and the way to them.

After Panoptic-DeepLab (arXiv 1911.10194), section 3.3; the width of a centre grows with its thing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...systems.panolite.segments import OFFSETS_PER_HEIGHT

_LEAST_PX = 4
_WIDTH, _NARROWEST_PX, _WIDEST_PX = 0.12, 0.8, 5.0  # of a centre, as a share of sqrt(area)
_SMALL = 1 / 12  # side of a small thing, as a share of the rows


class ThingTargets(NamedTuple):
    """The things of one image of H rows.

    Attributes:
        instances: (H, W) int64 number from 1; 0 for none.
        centre: (1, H, W) float32, 1 at the centre of a thing, falling to 0 around it.
        offset: (2, H, W) float32 rows and columns to the centre, in eighths of H.
        weight: (1, H, W) float32 of the error of the offset: what all pixels of a thing weigh
            together grows with the square root of their number. 0 where there is no thing, or one
            too small to have a centre.
        small: (1, H, W) bool, pixels of small things.
    """

    instances: np.ndarray
    centre: np.ndarray
    offset: np.ndarray
    weight: np.ndarray
    small: np.ndarray


def thing_targets(
    labels: np.ndarray, instances: np.ndarray, is_thing: np.ndarray, *, closed: bool
) -> ThingTargets:
    """The targets of an image.

    Args:
        labels: (H, W) uint8. instances: (H, W) int32 ids, 0 for none.
        is_thing: (256,) bool for each label.
        closed: whether the left and right border are neighbours.
    """
    height, width = labels.shape
    keys = np.where(is_thing[labels] & (instances > 0), labels * np.int64(2**32) + instances, 0)
    found, number = np.unique(keys, return_inverse=True)
    number = number.reshape(keys.shape).astype(np.int64)
    if found[0] != 0:
        number += 1
    count = int(number.max()) + 1
    flat, (rows, columns) = number.ravel(), np.indices(labels.shape)
    areas = np.bincount(flat, minlength=count)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, values.ravel(), count) / np.maximum(areas, 1)

    middle_row = mean(rows)
    if closed:
        turn = 2 * math.pi / width
        angle = np.arctan2(mean(np.sin(turn * columns)), mean(np.cos(turn * columns)))
        middle_column = angle / turn % width
    else:
        middle_column = mean(columns)
    down, across = middle_row[number] - rows, middle_column[number] - columns
    if closed:
        across = (across + width / 2) % width - width / 2
    has_centre = areas >= _LEAST_PX
    has_centre[0] = False
    known = has_centre[number]
    unit = height / OFFSETS_PER_HEIGHT
    centre = np.zeros((height, width), np.float32)
    for thing in np.flatnonzero(has_centre):
        _draw(centre, middle_row[thing], middle_column[thing], areas[thing], closed)
    small = (number > 0) & (areas[number] < (_SMALL * height) ** 2)
    return ThingTargets(
        number,
        centre[None],
        np.where(known, np.stack((down, across)) / unit, 0).astype(np.float32),
        np.where(known, 1 / np.sqrt(np.maximum(areas, 1))[number], 0).astype(np.float32)[None],
        small[None],
    )


def _draw(centre: np.ndarray, row: float, column: float, area: float, closed: bool) -> None:
    """Raise a map (H, W) to a Gaussian around a place; its nearest pixel becomes 1."""
    height, width = centre.shape
    sigma = float(np.clip(_WIDTH * math.sqrt(area), _NARROWEST_PX, _WIDEST_PX))
    reach = math.ceil(3 * sigma)
    middle_row, middle_column = round(row), round(column)
    rows = np.arange(max(0, middle_row - reach), min(height, middle_row + reach + 1))
    columns = np.arange(middle_column - reach, middle_column + reach + 1)
    if not closed:
        columns = columns[(columns >= 0) & (columns < width)]
    squares = (rows[:, None] - middle_row) ** 2 + (columns - middle_column) ** 2
    place = np.ix_(rows, columns % width)
    centre[place] = np.maximum(centre[place], np.exp(-squares / (2 * sigma**2)))
