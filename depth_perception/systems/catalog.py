"""All models by name: their cards and what their networks are built of.

Knows no network class, so that listing the catalogue does not load the networks' libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..geometry import DepthKind
from ..prediction import DepthSpace, ScaleKind
from .card import ModelCard
from .config import BASE, LARGE, PANDA_TINY, PANDA_TINY_METRIC, SMALL
from .scaledepth_config import SCALEDEPTH, SCALEDEPTH_REDUCED, ScaleDepthConfig

DEFAULT_MODEL = "panda-tiny-metric"

_SIZES = {"small": SMALL, "base": BASE, "large": LARGE}
_ENCODERS = {"small": "vits", "base": "vitb", "large": "vitl"}
_PLAIN_PARAMETERS = {"small": 24_785_089, "base": 97_470_785, "large": 335_315_649}
_LORA_PARAMETERS = {"small": 24_858_817, "base": 97_618_241, "large": 335_708_865}
_DEPTH_ANYTHING_LICENCE = {"small": "Apache-2.0", "base": "CC-BY-NC-4.0", "large": "CC-BY-NC-4.0"}
_PANDA_LICENCE = {
    "small": "none stated (made from Apache-2.0)",
    "base": "none stated (made from CC-BY-NC-4.0)",
    "large": "none stated (made from CC-BY-NC-4.0)",
}
_MOGE_PARAMETERS = {
    "moge-2-vits-normal": 35_103_656,
    "moge-2-vitb-normal": 104_743_592,
    "moge-2-vitl-normal": 330_901_544,
    "moge-2-vitl": 326_209_221,
}
_PPD_HOME = "https://github.com/gangweix/pixel-perfect-depth"
_PANDA_HOME = "https://github.com/caozidong/PanDA"
_SCALEDEPTH_HOME = "https://github.com/RuijieZhu94/mmdepth"


@dataclass(frozen=True)
class NetworkRecipe:
    """The family of a network (a key of ``loading.FAMILIES``) and its constructor arguments."""

    family: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class _Entry:
    card: ModelCard
    network: NetworkRecipe


def models() -> tuple[ModelCard, ...]:
    """The cards of all models."""
    return tuple(entry.card for entry in _ENTRIES.values())


def card(name: str) -> ModelCard:
    """The card of one model.

    Raises:
        KeyError: no such model; the message lists the names there are.
    """
    return _entry(name).card


def recipe(name: str) -> NetworkRecipe:
    """How the network of one model is built.

    Raises:
        KeyError: no such model.
    """
    return _entry(name).network


def _entry(name: str) -> _Entry:
    if name not in _ENTRIES:
        raise KeyError(f"no model {name!r}; there are: {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def _default() -> _Entry:
    model_card = ModelCard(
        name=DEFAULT_MODEL,
        title="PanDA in small on a convolutional pyramid, trained on synthetic worlds",
        parameters=2_957_505,
        licence="Apache-2.0",
        weights_licence="Apache-2.0",
        camera="equirectangular",
        kind=DepthKind.RANGE,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        max_depth_m=20.0,
        default_height=112,
        file_name="panda_tiny_metric.safetensors",
        embedded=True,
        antialias=True,
        sky_above_m=19.5,
        notes="Part of the package. Trained on rendered scenes only: a first look, not a surveyor.",
    )
    arguments = {"config": PANDA_TINY_METRIC, "max_depth": 20.0, "lora_rank": None}
    return _Entry(model_card, NetworkRecipe("panda_hybrid", arguments))


def _tiny() -> _Entry:
    model_card = ModelCard(
        name="panda-tiny",
        title="PanDA architecture in the smallest size, for tests",
        parameters=435_993,
        licence="Apache-2.0",
        weights_licence="no weights released",
        camera="equirectangular",
        kind=DepthKind.RANGE,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.AFFINE_INVARIANT,
        max_depth_m=None,
        default_height=140,
        file_name="panda_tiny.pth",
        notes="Give a checkpoint of your own.",
    )
    return _Entry(model_card, NetworkRecipe("panda", {"config": PANDA_TINY}))


def _panda(size: str) -> _Entry:
    model_card = ModelCard(
        name=f"panda-{size}",
        title=f"PanDA {size}, relative depth of panoramas",
        parameters=_LORA_PARAMETERS[size],
        licence="Apache-2.0",
        weights_licence=_PANDA_LICENCE[size],
        camera="equirectangular",
        kind=DepthKind.RANGE,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.AFFINE_INVARIANT,
        max_depth_m=None,
        default_height=504,
        file_name=f"panda_{size}.pth",
        home_page=_PANDA_HOME,
        notes="Scale and shift are unknown: recover both before making a point cloud.",
    )
    return _Entry(model_card, NetworkRecipe("panda", {"config": _SIZES[size]}))


def _panda_metric(data_set: str, size: str) -> _Entry:
    title = {"matterport": "Matterport3D", "stanford": "Stanford2D3D"}[data_set]
    model_card = ModelCard(
        name=f"panda-{data_set}-{size}",
        title=f"PanDA {size} fine-tuned on {title}, metres",
        parameters=_LORA_PARAMETERS[size],
        licence="Apache-2.0",
        weights_licence=_PANDA_LICENCE[size],
        camera="equirectangular",
        kind=DepthKind.RANGE,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        max_depth_m=10.0,
        default_height=504,
        file_name=f"panda_{data_set}_{size}.pth",
        home_page=_PANDA_HOME,
        notes=f"Indoor rooms up to 10 m. {title} has its own terms of use.",
    )
    return _Entry(model_card, NetworkRecipe("panda", {"config": _SIZES[size], "max_depth": 10.0}))


def _depth_anything(size: str) -> _Entry:
    model_card = ModelCard(
        name=f"depth-anything-v2-{size}",
        title=f"Depth Anything V2 {size}, relative inverse depth",
        parameters=_PLAIN_PARAMETERS[size],
        licence="Apache-2.0",
        weights_licence=_DEPTH_ANYTHING_LICENCE[size],
        camera="pinhole",
        kind=DepthKind.Z,
        space=DepthSpace.INVERSE_DEPTH,
        scale=ScaleKind.AFFINE_INVARIANT,
        max_depth_m=None,
        default_height=518,
        file_name=f"depth_anything_v2_{_ENCODERS[size]}.pth",
        hub_repo=f"depth-anything/Depth-Anything-V2-{size.capitalize()}",
        notes="Scale and shift are unknown: recover both before making a point cloud.",
    )
    return _Entry(
        model_card, NetworkRecipe("depth_anything", {"config": _SIZES[size], "activation": "relu"})
    )


def _moge(size: str, normal: bool) -> _Entry:
    name = f"moge-2-{size}{'-normal' if normal else ''}"
    model_card = ModelCard(
        name=name,
        title=f"MoGe-2 {size}: metric points{', normals' if normal else ''} and field of view",
        parameters=_MOGE_PARAMETERS[name],
        licence="MIT",
        weights_licence="MIT",
        camera="pinhole",
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        max_depth_m=None,
        default_height=840,
        file_name=f"{name.replace('-', '_')}.pt",
        hub_repo=f"Ruicheng/{name}",
        hub_file="model.pt",
        finds_camera=True,
        notes="Scale may differ between images of one place. Aspect ratios from 1:2 to 2:1.",
    )
    return _Entry(model_card, NetworkRecipe("moge", {"size": size, "normal": normal}))


def _ppd(semantics: str) -> _Entry:
    moge = semantics == "moge-2-vitl-normal"
    encoder = "MoGe-2" if moge else "Depth Anything V2"
    licence = "Apache-2.0"
    model_card = ModelCard(
        name="ppd-large-moge" if moge else "ppd-large",
        title=f"Pixel-Perfect Depth prompted by {encoder}, metres by MoGe-2",
        parameters=499_842_112,
        licence="Apache-2.0",
        weights_licence=licence if moge else f"{licence} (runs with weights of CC-BY-NC-4.0)",
        camera="pinhole",
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        max_depth_m=None,
        default_height=768,
        patch_size=16,
        file_name="ppd_moge.pth" if moge else "ppd.pth",
        home_page=_PPD_HOME,
        finds_camera=True,
        notes=f"Also needs the weights of {semantics}"
        + ("." if moge else " and, for metres, of moge-2-vitl-normal."),
    )
    return _Entry(model_card, NetworkRecipe("ppd", {"semantics": semantics}))


def _pinhole_tiny() -> tuple[_Entry, _Entry]:
    common = {
        "weights_licence": "no weights released",
        "camera": "pinhole",
        "kind": DepthKind.Z,
        "space": DepthSpace.DEPTH,
        "scale": ScaleKind.METRIC,
        "max_depth_m": None,
        "finds_camera": True,
        "notes": "Give a checkpoint of your own.",
    }
    moge = ModelCard(
        name="moge-2-tiny",
        title="MoGe-2 architecture in the smallest size, for tests",
        parameters=703_160,
        licence="MIT",
        default_height=126,
        file_name="moge_2_tiny.pt",
        **common,
    )
    ppd = ModelCard(
        name="ppd-tiny",
        title="Pixel-Perfect Depth architecture in the smallest size, for tests",
        parameters=562_304,
        licence="Apache-2.0",
        default_height=48,
        patch_size=16,
        file_name="ppd_tiny.pth",
        **common,
    )
    sizes = {"dim": 64, "depth": 4, "heads": 4, "semantic_dim": 64}
    return (
        _Entry(moge, NetworkRecipe("moge", {"size": "tiny", "normal": True})),
        _Entry(ppd, NetworkRecipe("ppd", {"semantics": "moge-2-tiny", **sizes})),
    )


def _depth_anything_metric(place: str, size: str) -> _Entry:
    data_set, max_depth = {"indoor": ("Hypersim", 20.0), "outdoor": ("VKITTI", 80.0)}[place]
    encoder = _ENCODERS[size]
    model_card = ModelCard(
        name=f"depth-anything-v2-metric-{place}-{size}",
        title=f"Depth Anything V2 {size}, metres, {place} ({data_set})",
        parameters=_PLAIN_PARAMETERS[size],
        licence="Apache-2.0",
        weights_licence=_DEPTH_ANYTHING_LICENCE[size],
        camera="pinhole",
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        max_depth_m=max_depth,
        default_height=518,
        file_name=f"depth_anything_v2_metric_{data_set.lower()}_{encoder}.pth",
        hub_repo=f"depth-anything/Depth-Anything-V2-Metric-{data_set}-{size.capitalize()}",
        notes="Metres hold for focal lengths near those of the training set.",
    )
    arguments = {"config": _SIZES[size], "activation": "sigmoid", "max_depth": max_depth}
    return _Entry(model_card, NetworkRecipe("depth_anything", arguments))


def _scaledepth(
    variant: str,
    data_sets: str,
    *,
    parameters: int,
    classes: int,
    height: int,
    config: ScaleDepthConfig = SCALEDEPTH,
) -> _Entry:
    is_released = variant == "nk"
    trained = f"trained on {data_sets}, metres" if data_sets else "in a small size, for tests"
    model_card = ModelCard(
        name=f"scaledepth-{variant}",
        title=f"ScaleDepth {trained}",
        parameters=parameters,
        licence="Apache-2.0",
        weights_licence="Apache-2.0 (made from MIT)" if is_released else "no weights released",
        camera="pinhole",
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        max_depth_m=None,
        default_height=height,
        patch_size=1,
        file_name="scaledepth_nk.pth" if is_released else f"scaledepth_{variant}.safetensors",
        home_page=_SCALEDEPTH_HOME if is_released else "",
        notes="Metres hold for scenes and cameras like those of the training sets."
        if data_sets
        else "Give a checkpoint of your own.",
    )
    return _Entry(model_card, NetworkRecipe("scaledepth", {"config": config, "classes": classes}))


_SCALEDEPTH_ENTRIES = (
    _scaledepth(
        "nk",
        "NYU and KITTI",
        parameters=372_027_011,
        classes=28,
        height=480,
    ),
    _scaledepth("n", "NYU", parameters=372_026_243, classes=27, height=480),
    _scaledepth("k", "KITTI", parameters=372_005_507, classes=0, height=352),
    _scaledepth(
        "tiny",
        "",
        parameters=455_411,
        classes=28,
        height=96,
        config=SCALEDEPTH_REDUCED,
    ),
)

_ENTRIES: Mapping[str, _Entry] = MappingProxyType(
    {
        entry.card.name: entry
        for entry in (
            _default(),
            *(_panda(size) for size in _SIZES),
            *(_panda_metric(data, size) for data in ("matterport", "stanford") for size in _SIZES),
            *(_depth_anything(size) for size in _SIZES),
            *(
                _depth_anything_metric(place, size)
                for place in ("indoor", "outdoor")
                for size in _SIZES
            ),
            _ppd("depth-anything-v2-large"),
            _ppd("moge-2-vitl-normal"),
            *(_moge(size, normal=True) for size in ("vits", "vitb", "vitl")),
            _moge("vitl", normal=False),
            *_SCALEDEPTH_ENTRIES,
            _tiny(),
            *_pinhole_tiny(),
        )
    }
)
