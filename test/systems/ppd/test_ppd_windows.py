"""Windows of a video joined to one depth."""

from __future__ import annotations

import pytest
import torch
from golden.ppd_reference import case
from published.video_windows import KEYFRAMES, joined_windows


def test_windows_are_joined_as_by_the_original() -> None:
    golden = case("video-window-alignment")
    assert tuple(golden.entry["options"]["keyframes"]) == KEYFRAMES
    windows = [golden[f"in_window{k}"] for k in range(3)]
    golden.assert_close(joined_windows(windows), "out_aligned")


def test_windows_of_other_scales_become_one_video() -> None:
    video = 1 + 9 * torch.rand(42, 4, 5, generator=torch.Generator().manual_seed(0))
    shown = [list(range(16))]
    for first in (16, 29):
        shown.append([0, shown[-1][8], shown[-1][15], *range(first, first + 13)])
    moves = ((1, 0), (3, 1), (0.2, -2))
    windows = [a * video[places] + b for places, (a, b) in zip(shown, moves, strict=True)]
    torch.testing.assert_close(joined_windows(windows), video, atol=1e-4, rtol=1e-4)


def test_windows_that_cannot_be_joined_are_refused() -> None:
    window = torch.rand(16, 4, 5)
    with pytest.raises(ValueError, match="no windows"):
        joined_windows([])
    with pytest.raises(ValueError, match=r"window 1 is \(16, 4, 6\)"):
        joined_windows([window, torch.rand(16, 4, 6)])
    with pytest.raises(ValueError, match=r"window 0 is \(15, 4, 5\)"):
        joined_windows([window[1:], window])
    with pytest.raises(ValueError, match="window 1 repeats frames"):
        joined_windows([window, torch.ones(16, 4, 5)])
