"""Files of the authors at their released sizes: names, shapes, second names, what lies beside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from golden.cases import FOLDER
from golden.fill import load_manifest

from depth_perception.systems import build_network, card, system_of
from depth_perception.systems.eomt.config import BASE

# model, its manifest, second names, entries beside the parameters, other arguments of the network
FILES: tuple[tuple[str, str, str, dict[str, Any], dict[str, Any]], ...] = (
    *(
        (f"da360-{size}", f"da360_{size}", "aliases",
         {"net": "DA360", "dinov2_encoder": kind, "height": 518, "width": 1036}, {})
        for size, kind in (("tiny", "vits"), ("small", "vits"), ("base", "vitb"), ("large", "vitl"))
    ),
    ("dap-tiny", "dap_tiny", "aliases", {}, {}),
    ("dap-large", "dap_large", "aliases", {}, {}),
    ("da2-tiny", "da2_tiny", "", {}, {}),
    ("da2-large", "da2_large", "", {}, {}),
    ("da3-metric-large", "da3metric_large", "", {}, {}),
    ("da3-mono-large", "da3metric_large", "", {}, {}),
    ("eomt-small", "eomt_small_640", "", {"criterion.empty_weight": torch.ones(134)}, {}),
    ("eomt-large", "eomt_large_640", "", {"network.attn_mask_probs": torch.zeros(4)}, {}),
    # its manifest is that of a network for smaller images
    ("eomt-base", "eomt_base_64x64", "", {}, {"config": replace(BASE, size=(64, 64))}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "manifest", "second", "beside", "changes"), FILES)
def test_the_entries_of_a_file_are_those_of_the_network(
    name: str, manifest: str, second: str, beside: dict, changes: dict
) -> None:
    system = system_of(name)
    folder = FOLDER / system.name
    shapes = load_manifest(folder / f"manifest-{manifest}.json")
    with torch.device("meta"):
        network = build_network(name, **changes)
        state: dict[str, Any] = {key: torch.empty(shape) for key, (shape, _) in shapes.items()}
    if second:
        aliases = load_manifest(folder / f"{second}-{manifest}.json")
        assert aliases
        state |= {other: state[first] for other, first in aliases.items()}
    entries = system.entries({**state, **beside}, network)
    names = network.official_names()
    ours = {names[key]: value.shape for key, value in network.state_dict().items()}
    assert {key: value.shape for key, value in entries.items()} == ours
    if not changes:
        assert sum(p.numel() for p in network.parameters()) == card(name).parameters


@pytest.mark.parametrize("name", ["da360-large", "dap-large", "da2-large"])
def test_entries_that_are_not_known_stay_and_are_refused_later(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name)
        names = network.official_names()
        state = {names[key]: value for key, value in network.state_dict().items()}
        entries = system_of(name).entries({**state, "extra.weight": torch.empty(1)}, network)
    assert entries.keys() - state.keys() == {"extra.weight"}
