"""Input and results in one picture."""

from __future__ import annotations

import cv2
import numpy as np

GAP_PX = 50


def side_by_side(*pictures: np.ndarray, gap_px: int = GAP_PX) -> np.ndarray:
    """Join RGB pictures with white columns between them.

    Args:
        pictures: (H, W, 3) uint8 each; resized (cubic) to the size of the last one (h, w) if they
            differ.
        gap_px: number of white columns.

    Returns:
        (h, n w + (n - 1) gap_px, 3) uint8 of n pictures.
    """
    height, width = pictures[-1].shape[:2]
    gap = np.full((height, gap_px, 3), 255, np.uint8)
    parts: list[np.ndarray] = []
    for picture in pictures:
        if picture.shape[:2] != (height, width):
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        parts += [gap, picture]
    return np.hstack(parts[1:])
