"""The catalogue: names, meanings, licences."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

import depth_perception as dp
from depth_perception.systems import DEFAULT_MODEL, build_network, card, catalog
from depth_perception.systems.card import NOT_RELEASED

SIZES = ("small", "base", "large")


def test_all_promised_names_are_there() -> None:
    promised = {DEFAULT_MODEL, "panda-tiny", "panda-tiny-relative"}
    for size in SIZES:
        promised |= {f"panda-{size}", f"panda-matterport-{size}", f"panda-stanford-{size}"}
        promised |= {f"depth-anything-v2-{size}"}
        promised |= {f"depth-anything-v2-metric-{place}-{size}" for place in ("indoor", "outdoor")}
    promised |= {f"da360-{size}" for size in (*SIZES, "tiny")}
    promised |= {"dap-large", "dap-tiny", "da2-large", "da2-tiny"}
    promised |= {f"scaledepth-{variant}" for variant in ("nk", "n", "k", "tiny")}
    promised |= {"ppd-large", "ppd-large-moge", "ppd-tiny", "moge-2-tiny", "moge-2-vitl"}
    promised |= {f"moge-2-vit{size}-normal" for size in "sbl"}
    promised |= {"blindspot-vgg", "blindspot-vgg-rectilinear", "blindspot-tiny"}
    promised |= {"panolite-metric", "panolite-tiny"}
    promised |= {"omnidepth-rectnet", "omnidepth-uresnet", "omnidepth-rectnet-tiny"}
    promised |= {"panopticdepth-r50", "panopticdepth-r50-seg", "panopticdepth-tiny"}
    promised |= {"da3-metric-large", "da3-mono-large", "da3-tiny", "moge-3-vitl", "moge-3-tiny"}
    promised |= {f"eomt-{size}" for size in (*SIZES, "tiny")}
    names = [model.name for model in dp.models()]
    assert len(names) == len(set(names))
    assert set(names) == promised


@pytest.mark.parametrize("model", dp.models(), ids=lambda model: model.name)
def test_cards_are_consistent(model) -> None:
    if model.name.startswith(("panda", "depth-anything")):
        assert model.is_metric == (model.max_depth_m is not None)
    elif model.name.startswith(("da360", "da2")):
        assert model.scale is dp.ScaleKind.SCALE_INVARIANT
    else:  # metres, with or without a limit
        assert model.is_metric == (model.name != "da3-mono-large")
    panoramic = model.camera == "equirectangular"
    families = ("panda", "panolite", "blindspot", "omnidepth", "da360", "dap", "da2")
    rectilinear = model.name.endswith("-rectilinear")
    assert panoramic == (model.name.startswith(families) and not rectilinear)
    assert model.kind == (dp.DepthKind.RANGE if panoramic else dp.DepthKind.Z)
    assert model.default_height % model.patch_size == 0
    assert model.source
    assert model.licence
    assert model.weights_licence


@pytest.mark.parametrize("size", ["base", "large"])
def test_non_commercial_weights_say_so(size: str) -> None:
    for model in dp.models():
        if model.name.startswith(("panda", "depth", "da360")) and model.name.endswith(size):
            assert "CC-BY-NC-4.0" in model.weights_licence


def test_unknown_names_are_refused_with_the_nearest() -> None:
    for function in (card, build_network):
        with pytest.raises(KeyError, match="did you mean 'depth-anything-v2-small'"):
            function("depth-anything-v2-smal")
        with pytest.raises(KeyError, match="depth-perception models --all"):
            function("qqq")


def test_overrides_reach_the_network() -> None:
    assert build_network("panda-tiny", max_depth=10.0, lora_rank=None).max_depth == 10.0
    with pytest.raises(TypeError, match="lora_rank"):
        build_network("depth-anything-v2-small", lora_rank=4)


def test_the_catalogue_does_not_load_the_networks() -> None:
    code = (
        "import sys, depth_perception as dp; dp.models(); dp.fetch; sys.exit('timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_released_model_can_be_fetched() -> None:
    unreleased = {model.name for model in dp.models() if model.weights_licence == NOT_RELEASED}
    for model in dp.models():
        assert model.can_be_fetched != (model.embedded or model.name in unreleased), model.name
        assert "by hand" not in model.source


def test_facts_of_the_files_are_consistent() -> None:
    for model in dp.models():
        assert bool(model.size_bytes or model.sha256) <= model.can_be_fetched
        assert re.fullmatch(r"([0-9a-f]{40})?", model.revision), model.name
        if model.size_bytes:  # float32, and a little for names
            assert 1 <= model.size_bytes / (4 * model.parameters) < 1.02, model.name
    sums = [model.sha256 for model in dp.models() if model.sha256]
    assert len(set(sums)) == len(sums) > 15


def test_needs_are_what_the_systems_load() -> None:
    from depth_perception.systems.ppd.estimator import DEFAULT_REFERENCE

    for name in ("ppd-large", "ppd-large-moge"):
        entry = catalog.model(name)
        assert {*entry.card.needs} == {entry.arguments["semantics"], DEFAULT_REFERENCE}
    for model in dp.models():
        assert all(catalog.card(other).can_be_fetched for other in model.needs)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"sha256": "A" * 64}, "64 lower-case hexadecimal digits"),
        ({"git_blob": "a" * 39}, "40 lower-case hexadecimal digits"),
        ({"git_repo": "a/b"}, "must state a revision"),
    ],
)
def test_wrong_facts_of_a_file_are_refused(facts: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(catalog.card("panda-small"), **facts)
