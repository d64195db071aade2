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
        file_name: name of the weights file, or of the folder where the authors publish several.
        hub_repo: Hugging Face repository that holds the file; None if there is none.
        hub_file: name of the file in ``hub_repo`` where it differs from ``file_name``.
        git_repo, git_path: GitHub repository, ``OWNER/NAME``, whose tree holds the file, and its
            path there; ``revision`` must be stated.
        git_files: names and git ids of the files, where ``git_path`` is a folder.
        drive_id: id of the file on Google Drive.
        url: address of the file anywhere else.
        revision: commit of ``hub_repo`` or ``git_repo``; empty: the newest of ``hub_repo``.
        sha256, git_blob: SHA-256 of the file, and the id of its content in git (hexadecimal);
            empty if unknown. Nobody has to trust who delivers a file for which one is stated.
        size_bytes: size of the file; None if unknown.
        link_unsure: it is inferred which of the authors' links leads to this file. A file
            without ``sha256`` must load as this model before it is kept.
        needs: models whose weights this one loads too.
        home_page: where the authors describe the model, and link to its weights.
        terms: what the licence of the weights demands, in sentences, if it is not permissive.
        stated: accuracy or speed as the authors state it; empty if not known.
        embedded: the file is part of this package.
        antialias: images are low-pass filtered when they are downsampled to the network input.
            The published models never do this.
        finds_camera: it estimates the field of view where no camera is given.
        needs_camera: its metres depend on the focal length of the given camera.
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
    hub_file: str = ""
    git_repo: str = ""
    git_path: str = ""
    git_files: tuple[tuple[str, str], ...] = ()
    drive_id: str = ""
    url: str = ""
    revision: str = ""
    sha256: str = ""
    git_blob: str = ""
    size_bytes: int | None = None
    link_unsure: bool = False
    needs: tuple[str, ...] = ()
    home_page: str = ""
    terms: str = ""
    stated: str = ""
    embedded: bool = False
    notes: str = ""
    patch_size: int = 14
    antialias: bool = False
    finds_camera: bool = False
    needs_camera: bool = False
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
        if self.git_repo and not self.revision:
            raise ValueError(f"model {self.name} has a git_repo, so it must state a revision")
        for name, digits in (("sha256", 64), ("git_blob", 40)):
            value = getattr(self, name)
            if value and (len(value) != digits or set(value) - set("0123456789abcdef")):
                raise ValueError(
                    f"{name} of model {self.name} must be {digits} lower-case hexadecimal digits, "
                    f"got {value!r}"
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
    def can_be_fetched(self) -> bool:
        """Whether ``depth-perception weights fetch`` downloads the weights."""
        return bool(self.hub_repo or self.git_repo or self.drive_id or self.url)

    @property
    def source(self) -> str:
        """Location of the weights as text."""
        if self.embedded:
            return "embedded"
        if self.hub_repo:
            return f"huggingface.co/{self.hub_repo}: {self.hub_file or self.file_name}"
        if self.git_repo:
            return f"github.com/{self.git_repo}: {self.git_path}"
        if self.drive_id:
            return f"Google Drive: {self.drive_id}"
        if self.url:
            return self.url
        if self.home_page:
            return f"by hand: {self.file_name} from the links at {self.home_page}"
        return "none: architecture for tests" if self.for_tests else "none"

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
