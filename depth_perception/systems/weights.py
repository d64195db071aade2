"""Locations of weights files, and download of the official ones."""

from __future__ import annotations

import hashlib
import os
import shutil
from importlib import resources
from pathlib import Path

from .card import ModelCard
from .catalog import card

HOME_VARIABLE = "DEPTH_PERCEPTION_HOME"
_CHUNK_BYTES = 1 << 22


class FetchError(RuntimeError):
    """Weights could not be fetched; the message names the file and its folder."""


def weights_folder() -> Path:
    """Folder of fetched weights: ``$DEPTH_PERCEPTION_HOME``, else ``~/.cache/depth_perception``."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else Path.home() / ".cache" / "depth_perception"


def weights_path(name: str, directory: str | Path | None = None) -> Path:
    """Where the weights of a model are or belong; KeyError if there is no such model."""
    model = card(name)
    if model.embedded:
        return Path(str(resources.files("depth_perception") / "assets" / model.file_name))
    return Path(directory if directory is not None else weights_folder()) / model.file_name


def find_weights(name: str) -> Path:
    """The weights file of a model.

    Raises:
        KeyError: no such model.
        CheckpointError: the file is missing; the message explains how to get it.
    """
    path = weights_path(name)
    if path.is_file():
        return path
    from .checkpoints import CheckpointError

    model = card(name)
    if model.embedded:
        raise CheckpointError(f"the embedded weights {path} are missing: install the package again")
    if model.hub_repo is None and not model.home_page:
        raise CheckpointError(f"{name} has no released weights: give a checkpoint")
    raise CheckpointError(
        f"no weights for {name} at {path}: run `depth-perception weights fetch {name}` or give a "
        "checkpoint"
    )


def fetch(name: str, directory: str | Path | None = None) -> Path:
    """Download and verify the official weights of a model; an existing file is kept.

    An interrupted download is resumed. The file is compared with the SHA-256 of the hub.

    Args:
        name: a name of the catalogue.
        directory: where to put the file; None is :func:`weights_folder`.

    Returns:
        The weights file.

    Raises:
        KeyError: no such model.
        FetchError: no network, a wrong checksum, or a model whose authors offer no direct
            download. The message names the file and its folder.
    """
    model = card(name)
    path = weights_path(name, directory)
    if path.is_file() and (model.embedded or model.hub_repo is None):
        return path
    if model.hub_repo is None:
        raise FetchError(f"{name} has no direct download.\n{_by_hand(model, path)}")
    try:
        expected = _stated_sha256(model.hub_repo, model.hub_file or model.file_name)
    except Exception as error:  # the hub client raises the errors of whichever HTTP library it uses
        if path.is_file():
            return path
        raise FetchError(f"{_reason(error)}\n{_by_hand(model, path)}") from error
    if path.is_file() and (expected is None or _sha256(path) == expected):
        return path
    try:
        _download_as(path, model)
    except Exception as error:
        raise FetchError(f"{_reason(error)}\n{_by_hand(model, path)}") from error
    if expected is not None and (actual := _sha256(path)) != expected:
        path.unlink()
        raise FetchError(
            f"{path} had SHA-256 {actual} but {model.hub_repo} states {expected}: the file was "
            "removed, fetch it again"
        )
    return path


def _stated_sha256(repo: str, file_name: str) -> str | None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    etag = get_hf_file_metadata(hf_hub_url(repo, file_name)).etag
    return etag if etag is not None and len(etag) == 64 else None


def _download(repo: str, file_name: str, folder: Path) -> None:
    from huggingface_hub import hf_hub_download

    folder.mkdir(parents=True, exist_ok=True)
    hf_hub_download(repo, file_name, local_dir=folder)


def _download_as(path: Path, model: ModelCard) -> None:
    if not model.hub_file:
        _download(model.hub_repo, model.file_name, path.parent)
        return
    # several models share the name of their file: each is fetched into a folder of its own
    folder = path.with_name(f"{path.name}.part")
    _download(model.hub_repo, model.hub_file, folder)
    os.replace(folder / model.hub_file, path)
    shutil.rmtree(folder)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _by_hand(model: ModelCard, path: Path) -> str:
    if model.hub_repo is not None:
        hub_file = model.hub_file or model.file_name
        origin = f"https://huggingface.co/{model.hub_repo}/resolve/main/{hub_file}"
    elif model.home_page:
        origin = model.links
    else:
        return f"{model.name} has no released weights: give a checkpoint of your own"
    wanted = model.hub_file or model.file_name
    return f"Get {wanted} from {origin} and save it as {path}"


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"the download failed ({type(error).__name__}: {lines[0] if lines else 'no details'})."
