"""What a recipe needs on disk: everything that is missing at once, each with where to get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..systems.catalog import card, models
from .recipe import Recipe, packaged_recipes
from .strict_mapping import RecipeError, errors_of

_WEIGHTS = ("checkpoint", "imagenet", "encoder", "class_embeddings")
_FOLDERS = ("root", "val_root", "labels")
_LISTS = ("train", "val", "listing", "val_listing")
_ORIGINS = {
    "open_clip_convnext_large_d_320_laion2b_soup.safetensors": "open_clip_model.safetensors of "
    "https://huggingface.co/laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
    "nyu_kitti_class_embeddings_convnext_large_d_320.pth": "the authors' file at "
    "https://drive.google.com/file/d/1Am2YWjtbWgMP4mwLjS5gmjKmawhrPyBe/view",
    "R-50.pkl": "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/R-50.pkl",
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
    missing = dict(_missing(asdict(recipe)))
    if not missing:
        return
    rows = [f"  {name}: {origin}" for name, origin in missing.items()]
    raise RecipeError("\n".join([f"{recipe.name} lacks {len(rows)} of its inputs:", *rows]))


def _missing(node: Any, kind: str = "worlds", root: Path = Path()) -> Iterator[tuple[str, str]]:
    """(path, where to get it) of everything below a part of a recipe."""
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from _missing(item, kind, root)
    if not isinstance(node, Mapping):
        return
    kind = str(node.get("kind") or kind)
    root = Path(str(node.get("root") or root))
    for key, value in node.items():
        if not isinstance(value, (str, Path)) or not str(value):
            yield from _missing(value, kind, root)
            continue
        path = Path(value)
        if key in _WEIGHTS and (path.suffix or path.parent != Path()):
            if not path.exists():
                yield str(value), _origin_of_weights(path)
        elif key in _FOLDERS and not path.exists():
            yield str(value), _origin_of_data(kind)
        elif key in _LISTS and path.suffix == ".txt" and not _is_listed(root, path):
            yield str(value), _ORIGINS.get(path.name, _origin_of_data(kind))


def _is_listed(root: Path, path: Path) -> bool:
    return path.is_file() or (root / path).is_file()


def _origin_of_weights(path: Path) -> str:
    if path.name in _ORIGINS:
        return _ORIGINS[path.name]
    for model in models():
        if path.name == model.file_name and not model.embedded:
            return f"depth-perception weights fetch {model.name}"
    if path.parent.name in packaged_recipes():
        return f"made by `depth-perception train {path.parent.name}`"
    return "made by an earlier stage of training, see docs/training.md"


def _origin_of_data(kind: str) -> str:
    if kind == "worlds":
        return "depth-perception worlds render, see docs/training.md"
    return f"{kind}, see `depth-perception data list`"
