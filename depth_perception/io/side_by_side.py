"""Input and result in one picture."""

from __future__ import annotations

import cv2
import numpy as np

GAP_PX = 50


def side_by_side(image: np.ndarray, depth: np.ndarray, *, gap_px: int = GAP_PX) -> np.ndarray:
    """Join two RGB pictures with white columns between them.

    Args:
        image: (H, W, 3) uint8; resized (cubic) to the size of ``depth`` if it differs.
        depth: (h, w, 3) uint8.
        gap_px: number of white columns.

    Returns:
        (h, 2 w + gap_px, 3) uint8.
    """
    height, width = depth.shape[:2]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.hstack((image, np.full((height, gap_px, 3), 255, np.uint8), depth))
