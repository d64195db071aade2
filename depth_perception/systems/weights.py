"""Locations of weights files, and download of the official ones."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .card import ModelCard
from .catalog import card, system_of
from .catalog import model as catalog_model
from .records import read_record, write_record
from .sources import FetchError, RemoteFile, is_plain_http, page_of, remote_files, terms_of

if TYPE_CHECKING:
    from .download import Progress, Say

try:
    import fcntl
except ImportError:  # no locks on this platform
    fcntl = None  # type: ignore[assignment]

HOME_VARIABLE = "DEPTH_PERCEPTION_HOME"
_UNFINISHED = ".part"
_OFFLINE_VARIABLE = "HF_HUB_OFFLINE"


def weights_folder() -> Path:
    """Folder of fetched weights: ``$DEPTH_PERCEPTION_HOME``, else ``~/.cache/depth_perception``."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else Path.home() / ".cache" / "depth_perception"


def weights_path(name: str, directory: str | Path | None = None) -> Path:
    """Where the weights of a model are or belong; KeyError if there is no such model."""
    return _path(card(name), directory)


def find_weights(name: str, directory: str | Path | None = None) -> Path:
    """The weights of a model: a file, or a folder where their authors publish one.

    Args:
        name: a name of the catalogue.
        directory: where they are looked for; None is :func:`weights_folder`.

    Raises:
        KeyError: no such model.
        CheckpointError: they are missing; the message explains how to get them.
    """
    path = weights_path(name, directory)
    if path.exists():
        return path
    from .checkpoints import CheckpointError

    model = card(name)
    if model.embedded:
        raise CheckpointError(f"the embedded weights {path} are missing: install the package again")
    if not model.can_be_fetched and not model.home_page:
        raise CheckpointError(f"{name} has no released weights: give a checkpoint")
    place = "" if directory is None else f" --directory {shlex.quote(str(directory))}"
    raise CheckpointError(
        f"no weights for {name} at {path}: run `depth-perception weights fetch {name}{place}` or "
        "give a checkpoint"
    )


def fetch(
    name: str,
    directory: str | Path | None = None,
    *,
    trust: bool = False,
    accept_licence: bool = False,
    say: Say | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download the official weights of a model, and of the models that it needs.

    Files that are here already are verified and kept. A download is continued where an earlier
    one ended, and a file appears under its name only when it is complete and verified. The
    SHA-256 of a file for which the catalogue states none is recorded, and holds from then on.

    Args:
        name: a name of the catalogue.
        directory: where to put the files; None is :func:`weights_folder`.
        trust: also take files of which neither catalogue nor record states the content, and
            files over plain http. A file that contradicts the catalogue is never taken.
        accept_licence: the terms of weights without a permissive licence are accepted.
        say, progress: receive remarks, and the number of bytes so far and in all (or None).

    Returns:
        The weights of ``name``: a file, or a folder where the authors publish one.

    Raises:
        KeyError: no such model.
        FetchError: terms are not accepted, a file is not trusted, not the expected one, or cannot
            be downloaded or stored, or a file that was put there by hand is of another model. The
            message states why, what to do, and which file to put where by hand.
    """
    say = say or (lambda _: None)
    wanted = [model for model in _with_needs(name) if not _is_in_place(model, directory, say)]
    if refusals := [*_refusals(wanted, directory, trust, accept_licence)]:
        raise FetchError("\n".join([*refusals, *_by_hand(wanted, directory)]))
    for model in wanted:
        if terms := terms_of(model):
            say(terms)
        try:
            _fetch(model, directory, trust, say, progress or (lambda *_: None))
        except (FetchError, OSError) as error:
            known = [remote.is_known for remote in remote_files(model)]
            reasons = [str(error) if isinstance(error, FetchError) else f"not stored: {error}"]
            if not trust and not all(known):  # a record says what is expected
                reasons.append("If its authors have replaced it, --trust takes the new one.")
            raise FetchError("\n".join([*reasons, *_by_hand([model], directory)])) from error
    return weights_path(name, directory)


def remove(name: str, directory: str | Path | None = None) -> list[Path]:
    """Remove the weights of a model, and what an unfinished download left.

    Weights that it needs of other models stay. What was recorded of the files stays too: the
    next download must bring the same ones.

    Returns:
        The removed files and folders.

    Raises:
        KeyError: no such model.
        FetchError: the weights are part of the package, or being fetched by another process.
    """
    model = card(name)
    if model.embedded:
        raise FetchError(f"the weights of {name} are part of the package and cannot be removed")
    path = _path(model, directory)
    found = [place for place in (path, unfinished(path)) if place.exists()]
    if not found:
        return []
    with _workplace(path, None):
        for place in found:
            _delete(place)
    return found


def unfinished(path: Path) -> Path:
    """The folder in which the weights ``path`` are while they are downloaded."""
    return path.with_name(f"{path.name}{_UNFINISHED}")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if there is neither."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def fetch_flags(model: ModelCard, directory: str | Path | None = None) -> str:
    """The flags that ``weights fetch`` needs for a model and those that it needs itself."""
    wanted = [card for card in _with_needs(model.name) if not _path(card, directory).exists()]
    flags = ["--accept-licence"] if any(terms_of(card) for card in wanted) else []
    if any(_distrusted(remote) for card in wanted for remote in _expected(card, directory)):
        flags.append("--trust")
    return " ".join(flags)


def _path(model: ModelCard, directory: str | Path | None) -> Path:
    if model.embedded:
        return Path(str(resources.files("depth_perception") / "assets" / model.file_name))
    return Path(directory if directory is not None else weights_folder()) / model.file_name


def _with_needs(name: str) -> list[ModelCard]:
    """The models that a model needs, each once, and itself at last."""
    found: dict[str, ModelCard] = {}

    def add(one: str) -> None:
        model = card(one)
        for other in model.needs:
            if other not in found:
                add(other)
        found[one] = model

    add(name)
    return list(found.values())


def _expected(model: ModelCard, directory: str | Path | None) -> list[RemoteFile]:
    """The files of a model, with recorded SHA-256 where the catalogue states no content."""
    path = _path(model, directory)
    files = []
    for remote in remote_files(model):
        record = read_record(path, remote.name)
        known = record.get("sha256", "")
        files.append(replace(remote, sha256=known) if known and not remote.is_known else remote)
    return files


def _place(model: ModelCard, remote: RemoteFile, folder: Path, name: str) -> Path:
    """Where a file of a model is, in the folder of weights or in that of a download."""
    return folder / name / remote.name if model.git_files else folder / name


def _is_in_place(model: ModelCard, directory: str | Path | None, say: Say) -> bool:
    """Whether the weights are here and are those that are known; records them if none are."""
    from .download import difference

    path = _path(model, directory)
    if not path.exists():
        return False
    if model.embedded:
        return True
    for remote in _expected(model, directory):
        place = _place(model, remote, path.parent, path.name)
        if not place.is_file():
            say(f"{place} is missing and is fetched")
            return False
        differing, sha256 = difference(remote, place)
        if differing:
            say(f"{place} is not the known file ({differing}) and is fetched again")
            return False
        if not remote.is_known:
            if reason := _misfit(model, place):
                raise FetchError(
                    f"{place} does not hold the weights of {model.name}: put the right file there, "
                    f"or move this one away to fetch it ({reason})"
                )
            known = {"sha256": sha256, "size_bytes": place.stat().st_size, "url": "found there"}
            try:
                write_record(path, {remote.name: known})
            except OSError as error:
                say(f"{place} is not verified: no SHA-256 is known, nor can it be noted ({error})")
            else:
                say(f"{place} was here; its SHA-256 {sha256} is recorded, as none is known")
    return True


def _distrusted(remote: RemoteFile) -> list[str]:
    """Reasons not to take a file without being told to."""
    reasons = []
    if not remote.is_known:
        reasons.append(f"neither catalogue nor record states the SHA-256 of {remote.name}")
    if is_plain_http(remote.url):
        reasons.append(f"{remote.url} is plain http, where anybody on the way can change the file")
    return reasons


def _refusals(
    wanted: Iterable[ModelCard], directory: str | Path | None, trust: bool, accept_licence: bool
) -> Iterator[str]:
    """All reasons why nothing is fetched, each with what to do."""
    for model in wanted:
        remotes = _expected(model, directory)
        if not remotes:
            yield (
                f"{model.name} has no direct download."
                if model.home_page
                else f"{model.name} has no released weights: give a checkpoint of your own."
            )
            continue
        if (terms := terms_of(model)) and not accept_licence:
            yield f"{terms} --accept-licence accepts these terms."
        for reason in [] if trust else dict.fromkeys(r for f in remotes for r in _distrusted(f)):
            taken = "and records what comes" if "SHA-256" in reason else "nevertheless"
            yield f"{model.name}: {reason}. --trust takes it {taken}."
        if any(remote.kind == "hub" for remote in remotes) and _is_offline():
            yield f"{_OFFLINE_VARIABLE} is set: the hub is not asked for {model.name}."


def _is_offline() -> bool:
    return os.environ.get(_OFFLINE_VARIABLE, "").upper() in ("1", "ON", "YES", "TRUE")


def _by_hand(models: Iterable[ModelCard], directory: str | Path | None) -> Iterator[str]:
    """What to put where instead, for each model."""
    for model in models:
        path, remotes = _path(model, directory), list(remote_files(model))
        if model.git_files:
            yield f"By hand: get the folder {page_of(model)} and save it as {path}"
        elif remotes:
            yield f"By hand: get {remotes[0].name} from {remotes[0].page} and save it as {path}"
        elif model.home_page:
            links = f"the links at {model.home_page}"
            yield f"By hand: get {model.file_name} from {links} and save it as {path}"


def _fetch(
    model: ModelCard, directory: str | Path | None, trust: bool, say: Say, progress: Progress
) -> None:
    """Download the files of one model and put them in place."""
    from .download import difference, download

    path = _path(model, directory)
    with _workplace(path, say) as folder:
        if _is_in_place(model, directory, say):  # another process has done it
            _delete(folder)
            return
        records: dict[str, dict[str, Any]] = {}
        expected = remote_files(model) if trust else _expected(model, directory)
        for remote in expected:
            place = _place(model, remote, folder, path.name)
            place.parent.mkdir(exist_ok=True)
            if remote.is_known and place.is_file() and not difference(remote, place)[0]:
                continue  # of an earlier call, which ended before it had all files
            size = f" ({remote.size_bytes / 1e6:.1f} MB)" if remote.size_bytes else ""
            say(f"{model.name}: {remote.url}{size}")
            got = download(remote, place, trust=trust, say=say, progress=progress)
            records[remote.name] = {**got, "url": remote.url}
            if not remote.is_known:
                say(f"SHA-256 of {remote.name}: {got['sha256']}, recorded as none was known")
        if reason := _misfit(model, folder / path.name):
            _delete(folder / path.name)
            raise FetchError(
                f"{page_of(model)} does not lead to the weights of {model.name}, and what came was "
                "removed: the authors' links may be in another order than assumed here "
                f"({reason})"
            )
        if path.is_dir():
            os.replace(path, folder / f"{path.name}.old")
        os.replace(folder / path.name, path)
        write_record(path, records)
        _delete(folder)


def _misfit(model: ModelCard, path: Path) -> str:
    """Why a file does not load as the model; empty if it does, or if the link to it is sure."""
    if model.sha256 or not model.link_unsure:
        return ""
    from .checkpoints import CheckpointError

    system, entry = system_of(model.name), catalog_model(model.name)
    try:
        system.load_network(entry, path)
    except CheckpointError as error:
        return str(error).partition("\n")[0]
    return ""


@contextmanager
def _workplace(path: Path, say: Say | None) -> Iterator[Path]:
    """The folder of an unfinished download, locked; it stays if the block leaves a file in it.

    Another process that has it is waited for, after a remark; without ``say`` FetchError is raised.
    """
    folder = unfinished(path)
    while (descriptor := _claimed(folder, say)) is None:
        pass
    try:
        yield folder
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        os.close(descriptor)


def _claimed(folder: Path, say: Say | None) -> int | None:
    """A lock on the folder of a download; None if it was removed meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        name = folder.name.removesuffix(_UNFINISHED)
        if not _lock(descriptor, wait=False):
            if say is None:
                raise FetchError(f"another process is fetching {name}: wait for it")
            say(f"another process is fetching {name}: waiting for it")
            _lock(descriptor, wait=True)
        if _is_still(descriptor, folder):
            descriptor, claimed = -1, descriptor
            return claimed
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a folder; false if another process has it. File systems without locks count as free."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_still(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
