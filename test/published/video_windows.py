"""Depth of a video from windows that each have a scale and shift of their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from depth_perception.geometry.exact import exact

KEYFRAMES = (0, 8, 15)
"""Frames of a window of 16 that the next one sees again before its own (Pixel-Perfect Depth's video
model, arXiv 2601.05246, as released)."""


def joined_windows(windows: Sequence[Tensor], keyframes: Sequence[int] = KEYFRAMES) -> Tensor:
    """Depth (T, H, W) of the whole video, in the scale of the first window.

    Every window but the first begins with frames that are known already: the first frame of the
    video and the other key frames of the window before. Least squares over their pixels give the
    scale and shift that bring the window to them.

    Args:
        windows: (N, H, W) float32 each, in order.
        keyframes: places in a window of the frames that the next one repeats, 0 first.

    Raises:
        ValueError: there are no windows, they differ in size, one is too short, or the repeated
            frames of a window are all the same everywhere.
    """
    if not windows:
        raise ValueError("there are no windows to join")
    if keyframes[0] != 0:
        raise ValueError(f"the first key frame must be 0, got {tuple(keyframes)}")
    shape, repeated = windows[0].shape, len(keyframes)
    for number, window in enumerate(windows):
        if window.shape[1:] != shape[1:] or len(window) <= max(*keyframes, repeated):
            raise ValueError(
                f"window {number} is {tuple(window.shape)}; expected frames of {tuple(shape[1:])}, "
                f"more than {max(*keyframes, repeated)} of them"
            )
    joined, before = [windows[0]], windows[0]
    for number, window in enumerate(windows[1:], 1):
        known = torch.stack([windows[0][0], *(before[k] for k in keyframes[1:])])
        x, y = exact(window[:repeated]), exact(known)
        spread = (x - x.mean()).square().mean()
        if not spread > 0:
            raise ValueError(f"window {number} repeats frames whose depth is the same everywhere")
        scale = ((x - x.mean()) * (y - y.mean())).mean() / spread
        before = (scale * (exact(window) - x.mean()) + y.mean()).to(window)
        joined.append(before[repeated:])
    return torch.cat(joined)
