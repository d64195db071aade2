"""The false colours of KITTI's development kit, in which DA360 shows disparity."""

from __future__ import annotations

import numpy as np

_COLOURS = np.array(
    [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1), (0, 1, 0), (0, 1, 1), (1, 1, 0), (1, 1, 1)], float
)
_PLACES = np.array([0, 0.114, 0.299, 0.413, 0.587, 0.701, 0.886, 1])


def kitti_colours(disparity: np.ndarray, largest: float | None = None) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a map (H, W); what is not positive is black.

    ``largest`` is the value of white, by default the largest of the map.
    """
    share = np.clip(disparity / (disparity.max() if largest is None else largest), 0, 1)
    channels = [np.interp(share, _PLACES, _COLOURS[:, index]) for index in range(3)]
    colours = np.stack(channels, -1) * (disparity > 0)[..., None]
    return (colours * 255).astype(np.uint8)
