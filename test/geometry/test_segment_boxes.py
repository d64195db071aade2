"""Boxes around segments, on plain images and around a full turn."""

from __future__ import annotations

import pytest
import torch

from depth_perception.geometry.segment_boxes import box_columns, segment_boxes


def test_plain_boxes() -> None:
    segments = torch.zeros((6, 8), dtype=torch.int32)
    segments[1:3, 2:5] = 9
    segments[5, 7] = 4
    segments[0, 0] = 2
    segments[5, 0] = 2
    assert segment_boxes(segments, [4, 9, 2]) == [(7, 5, 8, 6), (2, 1, 5, 3), (0, 0, 1, 6)]
    assert segment_boxes(segments, [4, 9, 2], wraps=True) == segment_boxes(segments, [4, 9, 2])
    assert segment_boxes(segments, [], wraps=True) == []


@pytest.mark.parametrize("shift", range(10))
def test_boxes_turn_with_the_panorama(shift: int) -> None:
    segments = torch.zeros((4, 10), dtype=torch.int32)
    segments[1:3, 3:7] = 5
    segments[2, 4] = 0
    segments[0, 8] = 6
    found = segment_boxes(segments.roll(shift, 1), [5, 6], wraps=True)
    left, lone = (3 + shift) % 10, (8 + shift) % 10
    assert found == [(left, 1, left + 4, 3), (lone, 0, lone + 1, 1)]


def test_a_box_leaves_out_the_longest_gap() -> None:
    row = torch.tensor([[1, 0, 1, 0, 0, 0, 0, 1, 0, 1]], dtype=torch.int32)
    assert segment_boxes(row, [1], wraps=True) == [(7, 0, 13, 1)]
    assert segment_boxes(row, [1]) == [(0, 0, 10, 1)]
    tie = torch.tensor([[0, 1, 0, 1]], dtype=torch.int32)
    assert segment_boxes(tie, [1], wraps=True) == [(1, 0, 4, 1)]
    full = torch.ones((2, 5), dtype=torch.int32)
    assert segment_boxes(full, [1], wraps=True) == [(0, 0, 5, 2)]
    assert box_columns((7, 0, 13, 1), 10).tolist() == [7, 8, 9, 0, 1, 2]
