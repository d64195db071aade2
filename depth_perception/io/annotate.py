"""Words on pictures: a bar that tells depth by its colours, names and distances of segments."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _INK = (255, 255, 255), (20, 20, 20)
_LEAST_ROWS = 96
_TICKS = 5


def with_bar(
    picture: np.ndarray, colours: np.ndarray, ticks: Sequence[tuple[float, str]]
) -> np.ndarray:
    """A picture with a bar of its colours at the right; small pictures stay as they are.

    Args:
        picture: (H, W, 3) uint8 RGB.
        colours: (N, 3) uint8 RGB from the bottom of the bar to its top.
        ticks: (place from the bottom, 0 to 1; text) of every label.
    """
    height = picture.shape[0]
    if height < _LEAST_ROWS:
        return picture
    scale = _scale(height)
    margin, width = round(26 * scale), round(34 * scale)
    texts = max((_size(text, scale)[0] for _, text in ticks), default=0)
    strip = np.full((height, 2 * margin + width + texts + round(16 * scale), 3), 255, np.uint8)
    rows = height - 2 * margin
    index = np.linspace(len(colours) - 1, 0, rows).round().astype(int)
    strip[margin : margin + rows, margin : margin + width] = colours[index][:, None]
    for place, text in ticks:
        v = margin + round((1 - place) * (rows - 1))
        strip[v, margin + width : margin + width + round(8 * scale)] = _INK
        left = margin + width + round(12 * scale)
        below = v + _size(text, scale)[1] // 2
        cv2.putText(strip, text, (left, below), _FONT, scale, _INK, _thick(scale), cv2.LINE_AA)
    return np.hstack((picture, strip))


def even_ticks(low: float, high: float, count: int = _TICKS) -> list[tuple[float, float]]:
    """(place, value) of evenly spaced ticks between both ends."""
    return [(k / (count - 1), low + (high - low) * k / (count - 1)) for k in range(count)]


def label_segments(image: np.ndarray, labels: Sequence[tuple[np.ndarray, str]]) -> np.ndarray:
    """The image with a text on each segment, where no other text is; large segments come first.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (mask (H, W) bool, text) of each segment.
    """
    image = np.ascontiguousarray(image)
    scale = 0.8 * _scale(image.shape[0])
    taken = np.zeros(image.shape[:2], bool)
    for mask, text in sorted(labels, key=lambda label: -int(label[0].sum())):
        (wide, high), gap = _size(text, scale), round(5 * scale)
        u, v = _middle(mask)
        left = min(max(0, u - wide // 2 - gap), max(0, image.shape[1] - wide - 2 * gap))
        top = min(max(0, v - high // 2 - gap), max(0, image.shape[0] - high - 2 * gap))
        box = np.s_[top : top + high + 2 * gap, left : left + wide + 2 * gap]
        if taken[box].any() or wide > image.shape[1]:
            continue
        taken[box] = True
        image[box] = image[box] // 3
        place = (left + gap, top + gap + high)
        cv2.putText(image, text, place, _FONT, scale, _WHITE, _thick(scale), cv2.LINE_AA)
    return image


def _middle(mask: np.ndarray) -> tuple[int, int]:
    """(column, row) of the pixel of a segment that is farthest from its border."""
    inside = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(inside, cv2.DIST_L1, 3)[1:-1, 1:-1]
    v, u = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(u), int(v)


def _scale(height: int) -> float:
    return max(0.4, height / 900)


def _thick(scale: float) -> int:
    return max(1, round(1.6 * scale))


def _size(text: str, scale: float) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, _thick(scale))
    return width, height
