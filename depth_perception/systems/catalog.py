"""All models by name: their cards and what their networks are built of.

Knows no network class, so that listing the catalogue does not load the networks' libraries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from ..geometry import DepthKind
from ..prediction import DepthSpace, ScaleKind
from .blindspot.config import BLINDSPOT_TINY, BLINDSPOT_VGG
from .card import ModelCard
from .depth_anything.config import (
    BASE,
    LARGE,
    PANDA_TINY,
    PANDA_TINY_METRIC,
    SMALL,
    DepthAnythingConfig,
)
from .omnidepth.config import RECTNET, RECTNET_TINY, URESNET
from .panopticdepth.config import (
    CITYSCAPES_FOCAL_PX,
    PANOPTICDEPTH,
    PANOPTICDEPTH_SEG,
    PANOPTICDEPTH_TINY,
)
from .scaledepth.config import NYU_FOCAL_PX, SCALEDEPTH, SCALEDEPTH_REDUCED

DEFAULT_MODEL = "panda-tiny-metric"

_PANDA_HOME = "https://github.com/caozidong/PanDA"
_PPD_HOME = "https://github.com/gangweix/pixel-perfect-depth"
_BLINDSPOT_HOME = "https://github.com/yuniw18/panoramic-depth-estimation-pytorch"
_OMNIDEPTH_HOME = "https://github.com/meder411/OmniDepth-PyTorch"
_PANOPTICDEPTH_HOME = "https://github.com/NaiyuGao/PanopticDepth"
_SCALEDEPTH_HOME = "https://github.com/RuijieZhu94/mmdepth"

_NOT_RELEASED = "no weights released"
_OWN_CHECKPOINT = "Give a checkpoint of your own."
_UNKNOWN_SCALE = "Scale and shift are unknown: recover both before making a point cloud."


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


def _made(card: ModelCard, family: str, **arguments: Any) -> _Entry:
    return _Entry(card, NetworkRecipe(family, arguments))


# What the cards of a family share; the rows below add the rest or replace some of it.
_panoramic = partial(
    ModelCard,
    licence="Apache-2.0",
    camera="equirectangular",
    kind=DepthKind.RANGE,
    space=DepthSpace.DEPTH,
)
_pinhole = partial(
    ModelCard,
    licence="Apache-2.0",
    camera="pinhole",
    kind=DepthKind.Z,
    space=DepthSpace.DEPTH,
    scale=ScaleKind.METRIC,
    max_depth_m=None,
)
_panda = partial(_panoramic, default_height=504, home_page=_PANDA_HOME)
_depth_anything = partial(_pinhole, default_height=518)
_moge = partial(_pinhole, licence="MIT", finds_camera=True)
_ppd = partial(_pinhole, patch_size=16, finds_camera=True)
_scaledepth = partial(_pinhole, patch_size=1)
_panopticdepth = partial(_pinhole, patch_size=1, is_panoptic=True)
_omnidepth = partial(
    _panoramic, licence="none stated", scale=ScaleKind.METRIC, max_depth_m=None, antialias=True
)


@dataclass(frozen=True)
class _Size:
    """A size of Depth Anything V2, and of PanDA, which adds adapters to it."""

    name: str
    config: DepthAnythingConfig
    encoder: str
    parameters: int
    with_adapters: int
    licence: str

    @property
    def panda_licence(self) -> str:
        return f"none stated (made from {self.licence})"


_SIZES = (
    _Size("small", SMALL, "vits", 24_785_089, 24_858_817, "Apache-2.0"),
    _Size("base", BASE, "vitb", 97_470_785, 97_618_241, "CC-BY-NC-4.0"),
    _Size("large", LARGE, "vitl", 335_315_649, 335_708_865, "CC-BY-NC-4.0"),
)


def _embedded() -> Iterator[_Entry]:
    card = _panoramic(
        name=DEFAULT_MODEL,
        title="PanDA in small on a convolutional pyramid, trained on synthetic worlds",
        parameters=2_957_505,
        weights_licence="Apache-2.0",
        scale=ScaleKind.METRIC,
        max_depth_m=20.0,
        default_height=112,
        file_name="panda_tiny_metric.safetensors",
        embedded=True,
        antialias=True,
        sky_above_m=19.5,
        notes="Part of the package. Trained on rendered scenes only: a first look, not a surveyor.",
    )
    yield _made(card, "panda_hybrid", config=PANDA_TINY_METRIC, max_depth=20.0, lora_rank=None)
    card = _panopticdepth(
        name="panopticdepth-tiny",
        title="PanopticDepth in a small size, trained on synthetic streets",
        parameters=2_856_227,
        weights_licence="Apache-2.0",
        max_depth_m=80.0,
        default_height=128,
        file_name="panopticdepth_tiny.safetensors",
        embedded=True,
        reference_focal_px=128.0,
        notes="Part of the package. Trained on rendered streets only: to try the node with.",
    )
    yield _made(card, "panopticdepth", config=PANOPTICDEPTH_TINY)


def _panda_models() -> Iterator[_Entry]:
    for size in _SIZES:
        card = _panda(
            name=f"panda-{size.name}",
            title=f"PanDA {size.name}, relative depth of panoramas",
            parameters=size.with_adapters,
            weights_licence=size.panda_licence,
            scale=ScaleKind.AFFINE_INVARIANT,
            max_depth_m=None,
            file_name=f"panda_{size.name}.pth",
            notes=_UNKNOWN_SCALE,
        )
        yield _made(card, "panda", config=size.config)
    for place, data_set in (("matterport", "Matterport3D"), ("stanford", "Stanford2D3D")):
        for size in _SIZES:
            card = _panda(
                name=f"panda-{place}-{size.name}",
                title=f"PanDA {size.name} fine-tuned on {data_set}, metres",
                parameters=size.with_adapters,
                weights_licence=size.panda_licence,
                scale=ScaleKind.METRIC,
                max_depth_m=10.0,
                file_name=f"panda_{place}_{size.name}.pth",
                notes=f"Indoor rooms up to 10 m. {data_set} has its own terms of use.",
            )
            yield _made(card, "panda", config=size.config, max_depth=10.0)


def _depth_anything_models() -> Iterator[_Entry]:
    hub = "depth-anything/Depth-Anything-V2"
    for size in _SIZES:
        card = _depth_anything(
            name=f"depth-anything-v2-{size.name}",
            title=f"Depth Anything V2 {size.name}, relative inverse depth",
            parameters=size.parameters,
            weights_licence=size.licence,
            space=DepthSpace.INVERSE_DEPTH,
            scale=ScaleKind.AFFINE_INVARIANT,
            file_name=f"depth_anything_v2_{size.encoder}.pth",
            hub_repo=f"{hub}-{size.name.capitalize()}",
            notes=_UNKNOWN_SCALE,
        )
        yield _made(card, "depth_anything", config=size.config, activation="relu")
    for place, data_set, limit in (("indoor", "Hypersim", 20.0), ("outdoor", "VKITTI", 80.0)):
        for size in _SIZES:
            card = _depth_anything(
                name=f"depth-anything-v2-metric-{place}-{size.name}",
                title=f"Depth Anything V2 {size.name}, metres, {place} ({data_set})",
                parameters=size.parameters,
                weights_licence=size.licence,
                max_depth_m=limit,
                file_name=f"depth_anything_v2_metric_{data_set.lower()}_{size.encoder}.pth",
                hub_repo=f"{hub}-Metric-{data_set}-{size.name.capitalize()}",
                notes="Metres hold for focal lengths near those of the training set.",
            )
            arguments = {"config": size.config, "activation": "sigmoid", "max_depth": limit}
            yield _made(card, "depth_anything", **arguments)


def _ppd_models() -> Iterator[_Entry]:
    large = partial(_ppd, parameters=499_842_112, default_height=768, home_page=_PPD_HOME)
    card = large(
        name="ppd-large",
        title="Pixel-Perfect Depth prompted by Depth Anything V2, metres by MoGe-2",
        weights_licence="Apache-2.0 (runs with weights of CC-BY-NC-4.0)",
        file_name="ppd.pth",
        notes="Also needs the weights of depth-anything-v2-large and, for metres, of "
        "moge-2-vitl-normal.",
    )
    yield _made(card, "ppd", semantics="depth-anything-v2-large")
    card = large(
        name="ppd-large-moge",
        title="Pixel-Perfect Depth prompted by MoGe-2, metres by MoGe-2",
        weights_licence="Apache-2.0",
        file_name="ppd_moge.pth",
        notes="Also needs the weights of moge-2-vitl-normal.",
    )
    yield _made(card, "ppd", semantics="moge-2-vitl-normal")


def _moge_models() -> Iterator[_Entry]:
    for size, normal, parameters in (
        ("vits", True, 35_103_656),
        ("vitb", True, 104_743_592),
        ("vitl", True, 330_901_544),
        ("vitl", False, 326_209_221),
    ):
        name = f"moge-2-{size}{'-normal' if normal else ''}"
        card = _moge(
            name=name,
            title=f"MoGe-2 {size}: metric points{', normals' if normal else ''} and field of view",
            parameters=parameters,
            weights_licence="MIT",
            default_height=840,
            file_name=f"{name.replace('-', '_')}.pt",
            hub_repo=f"Ruicheng/{name}",
            hub_file="model.pt",
            notes="Scale may differ between images of one place. Aspect ratios from 1:2 to 2:1.",
        )
        yield _made(card, "moge", size=size, normal=normal)


def _scaledepth_models() -> Iterator[_Entry]:
    released = ("Apache-2.0 (made from KITTI: non-commercial)", "pth", _SCALEDEPTH_HOME)
    unreleased = (_NOT_RELEASED, "safetensors", "")
    for variant, data_sets, parameters, classes, height, (licence, ending, home) in (
        ("nk", "NYU and KITTI", 372_027_011, 28, 480, released),
        ("n", "NYU", 372_026_243, 27, 480, unreleased),
        ("k", "KITTI", 372_005_507, 0, 352, unreleased),
    ):
        card = _scaledepth(
            name=f"scaledepth-{variant}",
            title=f"ScaleDepth trained on {data_sets}, metres",
            parameters=parameters,
            weights_licence=licence,
            default_height=height,
            file_name=f"scaledepth_{variant}.{ending}",
            home_page=home,
            reference_focal_px=NYU_FOCAL_PX if variant == "n" else None,
            notes="Metres hold for scenes and cameras like those of the training sets.",
        )
        yield _made(card, "scaledepth", config=SCALEDEPTH, classes=classes)


def _blindspot_models() -> Iterator[_Entry]:
    shared = {
        "parameters": 31_600_072,
        "licence": "BSD-3-Clause, parts of it UCLB ACP-A (non-commercial)",
        "weights_licence": "none stated (made from KITTI: non-commercial)",
        "scale": ScaleKind.METRIC,
        "max_depth_m": None,
        "default_height": 256,
        "patch_size": BLINDSPOT_VGG.multiple,
        "antialias": True,
        "file_name": "blindspot_vgg.pkl",
        "hub_file": "generator.pkl",
        "home_page": _BLINDSPOT_HOME,
    }
    panoramic = _panoramic(
        name="blindspot-vgg",
        title="Eliminating the Blind Spot: self-supervised disparity of panoramas, to metres",
        notes="Outdoor, near the horizon. The metres rest on a formula and are not to be trusted: "
        "align them. The authors run it with seam circular and flip. The checkpoint may be the "
        "folder numpy_weight.",
        **shared,
    )
    yield _made(panoramic, "blindspot", config=BLINDSPOT_VGG)
    pinhole = _pinhole(
        name="blindspot-vgg-rectilinear",
        title="The network of blindspot-vgg on pinhole images: monodepth",
        notes="Roads as KITTI shows them. Metres by the focal length of the camera and the "
        "baseline of the training. Same file as blindspot-vgg.",
        **shared,
    )
    yield _made(pinhole, "blindspot_pinhole", config=BLINDSPOT_VGG)


def _omnidepth_models() -> Iterator[_Entry]:
    shared = {"max_depth_m": 8.0, "sky_above_m": 8.0, "default_height": 256}
    rectnet = _omnidepth(
        name="omnidepth-rectnet",
        title="OmniDepth RectNet, range of indoor panoramas",
        parameters=8_870_194,
        weights_licence="none stated",
        patch_size=4,
        file_name="rectnet.pth",
        home_page=_OMNIDEPTH_HOME,
        notes="Rendered rooms up to 8 m at 256 x 512; Caffe's HDF5 file loads too. Other data has "
        "another scale: align it.",
        **shared,
    )
    yield _made(rectnet, "omnidepth_rectnet", config=RECTNET)
    uresnet = _omnidepth(
        name="omnidepth-uresnet",
        title="OmniDepth UResNet, range of indoor panoramas",
        parameters=51_252_035,
        weights_licence=_NOT_RELEASED,
        patch_size=16,
        file_name="uresnet.pth",
        notes=_OWN_CHECKPOINT,
        **shared,
    )
    yield _made(uresnet, "omnidepth_uresnet", config=URESNET)


def _panopticdepth_models() -> Iterator[_Entry]:
    shared = {
        "weights_licence": "none stated (made from Cityscapes: non-commercial)",
        "default_height": 1024,
        "home_page": _PANOPTICDEPTH_HOME,
    }
    card = _panopticdepth(
        name="panopticdepth-r50",
        title="PanopticDepth: panoptic segmentation and z-depth of every segment, metres",
        parameters=42_667_763,
        max_depth_m=80.0,
        file_name="panopticdepth_r50.pth",
        reference_focal_px=CITYSCAPES_FOCAL_PX,
        notes="Streets as Cityscapes shows them. Metres hold for its camera at 2048 columns; where "
        "the camera is known they are brought to its focal length.",
        **shared,
    )
    yield _made(card, "panopticdepth", config=PANOPTICDEPTH)
    card = _panopticdepth(
        name="panopticdepth-r50-seg",
        title="PanopticDepth without depth: panoptic segmentation alone",
        parameters=38_697_315,
        file_name="panopticdepth_r50_seg.pth",
        has_depth=False,
        notes="Streets as Cityscapes shows them; no depth.",
        **shared,
    )
    yield _made(card, "panopticdepth", config=PANOPTICDEPTH_SEG)


def _test_models() -> Iterator[_Entry]:
    """The smallest of each architecture."""
    unreleased = {
        "weights_licence": _NOT_RELEASED,
        "notes": _OWN_CHECKPOINT,
        "for_tests": True,
    }
    scaledepth = _scaledepth(
        name="scaledepth-tiny",
        title="ScaleDepth in a small size, for tests",
        parameters=455_411,
        default_height=96,
        file_name="scaledepth_tiny.safetensors",
        **unreleased,
    )
    yield _made(scaledepth, "scaledepth", config=SCALEDEPTH_REDUCED, classes=28)
    blindspot = _panoramic(
        name="blindspot-tiny",
        title="Blind-spot VGG in a small size, for training on little",
        parameters=950_792,
        scale=ScaleKind.METRIC,
        max_depth_m=None,
        default_height=128,
        patch_size=BLINDSPOT_TINY.multiple,
        antialias=True,
        file_name="blindspot_tiny.safetensors",
        **unreleased,
    )
    yield _made(blindspot, "blindspot", config=BLINDSPOT_TINY)
    rectnet = _omnidepth(
        name="omnidepth-rectnet-tiny",
        title="OmniDepth RectNet in a small size, for training on little",
        parameters=315_770,
        default_height=128,
        patch_size=4,
        file_name="omnidepth_rectnet_tiny.safetensors",
        **unreleased,
    )
    yield _made(rectnet, "omnidepth_rectnet", config=RECTNET_TINY)
    hybrid = _panoramic(
        name="panda-tiny-relative",
        title="The network of panda-tiny-metric for relative depth, for training on little",
        parameters=2_957_505,
        scale=ScaleKind.AFFINE_INVARIANT,
        max_depth_m=None,
        default_height=112,
        antialias=True,
        file_name="panda_tiny_relative.safetensors",
        **unreleased,
    )
    yield _made(hybrid, "panda_hybrid", config=PANDA_TINY_METRIC, lora_rank=None)
    panda = _panoramic(
        name="panda-tiny",
        title="PanDA architecture in the smallest size, for tests",
        parameters=435_993,
        scale=ScaleKind.AFFINE_INVARIANT,
        max_depth_m=None,
        default_height=140,
        file_name="panda_tiny.pth",
        **unreleased,
    )
    yield _made(panda, "panda", config=PANDA_TINY)
    moge = _moge(
        name="moge-2-tiny",
        title="MoGe-2 architecture in the smallest size, for tests",
        parameters=703_160,
        default_height=126,
        file_name="moge_2_tiny.pt",
        **unreleased,
    )
    yield _made(moge, "moge", size="tiny", normal=True)
    ppd = _ppd(
        name="ppd-tiny",
        title="Pixel-Perfect Depth architecture in the smallest size, for tests",
        parameters=562_304,
        default_height=48,
        file_name="ppd_tiny.pth",
        **unreleased,
    )
    sizes = {"dim": 64, "depth": 4, "heads": 4, "semantic_dim": 64}
    yield _made(ppd, "ppd", semantics="moge-2-tiny", **sizes)


_ENTRIES: Mapping[str, _Entry] = MappingProxyType(
    {
        entry.card.name: entry
        for models_of in (
            _embedded,
            _panda_models,
            _depth_anything_models,
            _ppd_models,
            _moge_models,
            _scaledepth_models,
            _blindspot_models,
            _omnidepth_models,
            _panopticdepth_models,
            _test_models,
        )
        for entry in models_of()
    }
)
