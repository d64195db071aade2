"""Description of a model that is available before the model is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..depth_space import DepthKind, DepthSpace, ScaleKind

CameraKind = Literal["equirectangular", "pinhole"]


@dataclass(frozen=True)
class ModelCard:
    """One model of the catalogue.

    Attributes:
        name, title: name for :func:`depth_perception.load`, and a one-line description.
        parameters: number of parameters in the weights file.
        licence, weights_licence: of the method's code, and of the released weights.
        camera: the camera the model was trained for.
        kind, space, scale: meaning of the values it returns.
        max_depth_m: largest depth it can return, metres; None where the values are not metres or
            have no bound.
        sky_above_m: values above this number of metres mean sky or out of range, and are not
            valid; None where the model has no such convention.
        default_height: default number of rows of the network input; a panorama is twice as wide,
            a pinhole image has at least this many rows and columns.
        patch_size: the sides of the network input are multiples of it.
        file_name: name of the weights file.
        hub_repo: Hugging Face repository that holds the file; None if there is none.
        home_page: where the authors link to the file, for models without ``hub_repo``.
        linked_repo: Hugging Face repository that the authors link there; its files are fetched by
            hand.
        embedded: the file is part of this package.
        antialias: images are low-pass filtered when they are downsampled to the network input.
            The published models never do this.
        finds_camera: it estimates the field of view where no camera is given.
        needs_camera: its metres depend on the focal length of the given camera.
        hub_file: name of the file in ``hub_repo`` where it differs from ``file_name``.
        reference_focal_px: focal length, in pixels of the network input, of the only camera that
            the model was trained with; metric depth is valid for this focal length. None where
            there were several cameras, or the model takes the focal length into account itself.
        is_panoptic: panoptic segmentation: predictions have segments.
        has_depth: false for a model that returns segments only.
        notes: intended use and limitations.
        heights: least and largest ``height`` for which the weights of the package were trained;
            None if any will do.
        for_tests: a small size of an architecture, for tests and for training on little data;
            hidden from users.
    """

    name: str
    title: str
    parameters: int
    licence: str
    weights_licence: str
    camera: CameraKind
    kind: DepthKind
    space: DepthSpace
    scale: ScaleKind
    max_depth_m: float | None
    default_height: int
    file_name: str
    hub_repo: str | None = None
    home_page: str = ""
    linked_repo: str = ""
    embedded: bool = False
    notes: str = ""
    patch_size: int = 14
    antialias: bool = False
    finds_camera: bool = False
    needs_camera: bool = False
    hub_file: str = ""
    sky_above_m: float | None = None
    is_panoptic: bool = False
    has_depth: bool = True
    reference_focal_px: float | None = None
    heights: tuple[int, int] | None = None
    for_tests: bool = False

    def __post_init__(self) -> None:
        if self.camera not in ("equirectangular", "pinhole"):
            raise ValueError(
                f"camera of model {self.name} must be equirectangular or pinhole, got "
                f"{self.camera!r}"
            )

    def height_remark(self, height: int | None) -> str:
        """A sentence if the model was not trained for this height of its input; else empty."""
        if height is None or self.heights is None or self.heights[0] <= height <= self.heights[1]:
            return ""
        low, high = self.heights
        trained = f"{low} rows" if low == high else f"{low} to {high} rows"
        return (
            f"{self.name} is trained for {trained} of its input only: depth with height {height} "
            "is worse and has another scale; leave height unset"
        )

    @property
    def source(self) -> str:
        """Location of the weights as text."""
        if self.embedded:
            return "embedded"
        if self.hub_repo is not None:
            return f"huggingface.co/{self.hub_repo}: {self.hub_file or self.file_name}"
        if self.home_page:
            return f"by hand: {self.file_name} from {self.links}"
        return "none: architecture for tests"

    @property
    def links(self) -> str:
        """Where the authors offer the file, for models without ``hub_repo``."""
        if not self.linked_repo:
            return f"the links at {self.home_page}"
        page = f"https://huggingface.co/{self.linked_repo}/tree/main"
        return f"{page} (linked at {self.home_page})"

    @property
    def is_metric(self) -> bool:
        """Whether the model returns metres."""
        return self.scale is ScaleKind.METRIC


def paired_card(card: ModelCard, depth: ModelCard) -> ModelCard:
    """The card of a panoptic model whose segments have the depth of another model.

    Raises:
        ValueError: the other model is not a metric depth model for pinhole images.
    """
    reason = ""
    if depth.camera != "pinhole":
        reason = "is for panoramas"
    elif depth.is_panoptic:
        reason = "is a panoptic model itself"
    elif not depth.is_metric:
        reason = "is not metric"
    if reason:
        raise ValueError(
            f"depth_model {depth.name} {reason}: choose a metric depth model for pinhole images"
        )
    return replace(
        card,
        has_depth=True,
        kind=depth.kind,
        space=depth.space,
        scale=depth.scale,
        max_depth_m=depth.max_depth_m,
        finds_camera=depth.finds_camera,
        needs_camera=depth.needs_camera,
    )


def panels_card(card: ModelCard) -> ModelCard:
    """The card of a pinhole model that runs on panels of panoramas; ValueError if it cannot."""
    if card.camera != "pinhole":
        raise ValueError(f"{card.name} takes panoramas as they are: it needs no panels")
    if not card.has_depth:
        raise ValueError(
            f"{card.name} returns segments alone: name a depth_model, or choose a model with depth"
        )
    if card.scale is ScaleKind.AFFINE_INVARIANT:
        raise ValueError(
            f"{card.name} returns values of unknown scale and shift, which panels cannot share:"
            " use a metric model"
        )
    return replace(card, camera="equirectangular", kind=DepthKind.RANGE, space=DepthSpace.DEPTH)


# Defaults of most cards; the rows of a system override some of them.
def panoramic(**facts: Any) -> ModelCard:
    """The card of a panoramic model; by default it returns range and its code is Apache-2.0."""
    shared = {"licence": "Apache-2.0", "camera": "equirectangular"}
    return ModelCard(**{**shared, "kind": DepthKind.RANGE, "space": DepthSpace.DEPTH, **facts})


def pinhole(**facts: Any) -> ModelCard:
    """The card of a pinhole model; by default it returns metric z-depth without a bound."""
    shared = {"licence": "Apache-2.0", "camera": "pinhole", "max_depth_m": None}
    shared |= {"kind": DepthKind.Z, "space": DepthSpace.DEPTH, "scale": ScaleKind.METRIC}
    return ModelCard(**{**shared, **facts})


NOT_RELEASED = "no weights released"
UNKNOWN_SCALE = "Scale and shift are unknown: recover both before making a point cloud."
TEST_MODEL = {
    "weights_licence": NOT_RELEASED,
    "notes": "Give a checkpoint of your own.",
    "for_tests": True,
}
