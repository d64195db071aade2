"""Where the time goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from depth_perception.bench.options import Profile
from depth_perception.bench.profile import (
    GROUPS,
    OTHER,
    bench_profile,
    group_of,
    seconds_by_group,
)
from depth_perception.cli.main import main
from depth_perception.io.images import read_image


@pytest.mark.parametrize(
    ("operation", "group"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::add_", "sums, scaling, ReLU, GELU"),
        ("aten::mul", "sums, scaling, ReLU, GELU"),
        ("aten::mm", "matrix products"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", "fused attention"),
        ("aten::upsample_bilinear2d", "enlarging"),
        ("aten::mkldnn_convolution", "convolutions"),
        ("aten::empty", OTHER),
    ],
)
def test_groups(operation: str, group: str) -> None:
    assert group_of(operation) == group


def test_most_of_a_large_product_is_seen_as_one() -> None:
    layer, tokens = nn.Linear(1024, 1024), torch.randn(2000, 1024)
    with torch.no_grad():
        found = seconds_by_group(lambda: layer(tokens), torch.device("cpu"))
    assert set(found) == {*GROUPS, OTHER}
    assert found["matrix products"] > 0.5 * sum(found.values())


def test_command_prints_saves_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "bench profile panda-tiny --random-weights --height 56 --device cpu --threads 1"
    picture, numbers = tmp_path / "a" / "profile.png", tmp_path / "profile.json"
    assert main([*command.split(), "--picture", str(picture), "--json", str(numbers)]) == 0
    text = capsys.readouterr().out
    assert "matrix products" in text
    assert "plain ms" in text
    seconds = json.loads(numbers.read_text())["seconds"]
    assert list(seconds) == ["plain", "ours"]
    assert seconds["plain"]["softmax"] > 0  # attention is written out there, and fused in ours
    assert seconds["ours"]["softmax"] == 0
    assert seconds["ours"]["fused attention"] > 0
    assert read_image(picture).std() > 10


def test_other_backends_are_refused() -> None:
    with pytest.raises(ValueError, match="torch only"):
        bench_profile(Profile(model="panda-tiny", backends=("openvino",)))
