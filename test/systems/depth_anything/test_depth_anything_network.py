"""PanDA and Depth Anything V2 against the originals, from files with official names."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import torch
from golden.fill import load_manifest
from golden.reference import FOLDER, MODELS, Case, case_id, cases, save_official

from depth_perception.systems import build_network, load_network, models
from depth_perception.systems.depth_anything.config import SMALL
from depth_perception.systems.depth_anything.network import DepthAnything

WRAPPINGS = {"p": "data parallel", "d": "plain"}
CARDS = [card for card in models() if card.name.startswith(("panda", "depth-anything"))]
OURS = ("panda-tiny-metric", "panda-tiny-relative")
OFFICIAL = [card.name for card in CARDS if card.name not in OURS]


def _manifest_of(name: str) -> dict[str, list]:
    for variant, model in MODELS.items():
        if name.replace("outdoor", "indoor") == model:
            return load_manifest(FOLDER / f"manifest-{variant}.json")
    size = name.rsplit("-", 1)[-1]
    return load_manifest(FOLDER / f"manifest-panda_{size}.json")


@pytest.mark.parametrize("reference", cases("network"), ids=case_id)
def test_network_matches_the_original(reference: Case, tmp_path: Path) -> None:
    wrapping = WRAPPINGS[reference.model[0]]
    path = save_official(reference.state(), tmp_path / "weights.pth", wrapping)
    output = "pred_depth" if "pred_depth" in reference.arrays else "depth"
    for merge in (False, True):
        network = load_network(reference.model, path, merge_lora=merge)
        network.max_depth = float(reference.options.get("max_depth") or network.max_depth)
        with torch.no_grad():
            values = network(reference.arrays["x"])
        assert values.shape[1] == 1
        reference.assert_close(values.reshape(reference.arrays[output].shape), output)
    path.unlink()  # some are hundreds of megabytes, and pytest keeps its last folders


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_parameter_has_its_official_name_and_shape(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name)
    names = network.official_names()
    ours = {names[key]: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == {key: shape for key, (shape, _) in _manifest_of(name).items()}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_counts_the_parameters(card) -> None:
    with torch.device("meta"):
        network = build_network(card.name)
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    assert network.activation == ("relu" if "inverse" in card.space.value else "sigmoid")
    assert network.max_depth == (card.max_depth_m or 1.0)


def _loads_exactly(name: str, folder: Path, wrapping: str) -> None:
    """Every parameter gets the number that stands under its official name in the file."""
    state = {
        key: torch.full(shape, zlib.crc32(key.encode()) % 1000 / 1000)
        for key, (shape, _) in _manifest_of(name).items()
    }
    path = save_official(state, folder / "weights.pth", wrapping)
    network = load_network(name, path, merge_lora=False)
    names = network.official_names()
    assert len(names) == len(state)
    for key, value in network.state_dict().items():
        assert value.unique().item() == pytest.approx(state[names[key]].flatten()[0].item()), key
    path.unlink()


@pytest.mark.parametrize("wrapping", ["plain", "data parallel", "trainer"])
@pytest.mark.parametrize("name", ["panda-tiny", "panda-stanford-small"])
def test_official_wrappings(name: str, wrapping: str, tmp_path: Path) -> None:
    _loads_exactly(name, tmp_path, wrapping)


@pytest.mark.parametrize(
    "name", ["depth-anything-v2-metric-indoor-base", "depth-anything-v2-metric-outdoor-small"]
)
def test_other_sizes_load(name: str, tmp_path: Path) -> None:
    _loads_exactly(name, tmp_path, "plain")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["depth-anything-v2-large", "depth-anything-v2-metric-indoor-large", "panda-large"]
)
def test_large_models_load(name: str, tmp_path: Path) -> None:
    _loads_exactly(name, tmp_path, WRAPPINGS[name[0]])


def test_panda_file_without_adapters_loads(tmp_path: Path) -> None:
    network = build_network("panda-tiny", lora_rank=None)
    names = network.official_names()
    path = tmp_path / "full.pth"
    torch.save({names[key]: value for key, value in network.state_dict().items()}, path)
    loaded = load_network("panda-tiny", path, merge_lora=False)
    assert loaded.lora_rank is None
    images = torch.randn(1, 3, 28, 56)
    torch.testing.assert_close(loaded(images), network(images))


def test_half_precision_encoder_keeps_a_float32_head() -> None:
    torch.manual_seed(0)
    network = build_network("panda-tiny").eval()
    images = torch.randn(1, 3, 56, 112)
    with torch.no_grad():
        exact = network(images)
        network.encoder.to(torch.bfloat16)
        rough = network(images)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.05


@pytest.mark.parametrize(("activation", "max_depth"), [("tanh", 1.0), ("relu", 0.0)])
def test_senseless_arguments_are_refused(activation: str, max_depth: float) -> None:
    with pytest.raises(ValueError, match=r"activation|max_depth"):
        DepthAnything(SMALL, activation=activation, max_depth=max_depth)
