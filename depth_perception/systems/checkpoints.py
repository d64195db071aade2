"""Reading and writing parameters: safetensors and the authors' torch files."""

from __future__ import annotations

import pickle
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_WRAPPERS = ("model", "state_dict")
_PASSENGERS = ("epoch",)  # entries that trainers store beside the parameters
_NUMBER = re.compile(r"(?<=\.)(\d+)(?=\.)")


class CheckpointError(ValueError):
    """A weights file is missing, unreadable, or does not belong to the network.

    Attributes:
        missing, unexpected, misshapen: all differing names in the file's own spelling.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
        misshapen: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.unexpected = unexpected
        self.misshapen = misshapen


class _PassedOver:
    """Placeholder for an object that is skipped; accepts any arguments and state."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> _PassedOver:
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


def read_checkpoint(path: str | Path, *, passed_over: tuple[str, ...] = ()) -> dict[str, Any]:
    """The entries of a weights file on the CPU, without wrappers.

    ``{"model": ...}`` and ``{"state_dict": ...}`` are unwrapped. A ``module.`` prefix of all names
    and the entry ``epoch`` are removed. Files that hold anything but tensors and plain containers
    are rejected, not executed.

    Args:
        path: the file.
        passed_over: prefixes of full class names, such as ``"mmengine."``: objects of these
            classes are skipped: neither created nor rejected.

    Raises:
        CheckpointError: no such file, empty, truncated, corrupt, without parameters, or with
            parameters that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty: fetch it again")
    if _is_safetensors(path):
        with _readable(path):
            content = load_file(str(path))
    else:
        content = _read_torch(path, passed_over)
    state = _unwrap(content)
    if not any(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no parameters")
    reject_broken(state, path)
    return state


def read_configured(path: str | Path, key: str = "model_config") -> tuple[dict[str, Any], Any]:
    """The entries of a torch file, and the configuration that it stores beside them.

    Raises:
        CheckpointError: as :func:`read_checkpoint`, or the file has no such configuration.
    """
    state = read_checkpoint(path)
    content = {} if _is_safetensors(Path(path)) else _read_torch(Path(path))
    if not isinstance(content.get(key), Mapping):
        raise CheckpointError(
            f"{path} has no {key}: it is not a file of this family, or not the authors' own"
        )
    return state, content[key]


def read_metadata(path: str | Path) -> dict[str, str]:
    """The free text entries in the header of a safetensors file; none for files of other kinds.

    Raises:
        CheckpointError: no such file, or it is truncated or corrupt.
    """
    path = Path(path)
    if path.is_dir():
        return {}
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}")
    if not _is_safetensors(path):
        return {}
    with _readable(path), safe_open(str(path), "pt") as file:
        return dict(file.metadata() or {})


def reject_broken(state: Mapping[str, Any], source: str | Path) -> None:
    """Raise CheckpointError with the names of parameters that are not finite, if any."""
    broken = [
        name
        for name, value in state.items()
        if isinstance(value, Tensor)
        and value.is_floating_point()
        and not torch.isfinite(value).all()
    ]
    if broken:
        raise CheckpointError(
            f"{source} has NaN or infinite values in {len(broken)} parameters:\n"
            + "\n".join(f"  {name}" for name in broken)
        )


def load_strictly(
    network: nn.Module, state: Mapping[str, Any], names: Mapping[str, str], source: str
) -> None:
    """Copy the entries of ``state`` into ``network``; the names must match exactly.

    Args:
        network: receives the values in its own precision and on its own device.
        state: entries by the names of the file.
        names: maps the name of every state dict entry of the network to its name in the file.
        source: name of the file in the error message.

    Raises:
        CheckpointError: lists all missing, unexpected and mis-shaped names at once.
    """
    ours = network.state_dict()
    wanted = {names[name]: tuple(value.shape) for name, value in ours.items()}
    missing = tuple(name for name in wanted if name not in state)
    unexpected = tuple(name for name in state if name not in wanted)
    misshapen = tuple(
        name for name, shape in wanted.items() if name in state and _shape(state[name]) != shape
    )
    if missing or unexpected or misshapen:
        parts = [
            f"{source} does not fit this network: {len(missing)} parameters missing, "
            f"{len(unexpected)} unexpected, {len(misshapen)} of another shape"
        ]
        parts += _grouped("missing", {n: str(wanted[n]) for n in missing})
        parts += _grouped("unexpected", {n: str(_shape(state[n])) for n in unexpected})
        shapes = {n: f"{_shape(state[n])} in the file, {wanted[n]} here" for n in misshapen}
        parts += _grouped("shape", shapes)
        differing = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
        raise CheckpointError("\n".join(parts), **differing)
    network.load_state_dict({name: state[names[name]] for name in ours})


def save_checkpoint(
    network: nn.Module,
    path: str | Path,
    names: Mapping[str, str],
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the parameters as safetensors under their official names.

    Args:
        network, path, names: as for :func:`load_strictly`.
        dtype: precision of the file (float16 halves it); None keeps that of the network.
        metadata: free text entries in the header of the file.
    """
    tensors = {}
    for name, value in network.state_dict().items():
        target = dtype if dtype is not None and value.is_floating_point() else value.dtype
        tensors[names[name]] = value.detach().to("cpu", target).contiguous()
    save_file(tensors, str(path), metadata=dict(metadata or {}))


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:] == b"{")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}): it is truncated or corrupt, "
            "fetch it again"
        ) from error


def _read_torch(path: Path, passed_over: tuple[str, ...] = ()) -> Mapping[str, Any]:
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    try:
        with _stand_ins(path, passed_over if is_archive else ()):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not a plain weights file: it is corrupt, or it holds objects other than "
            f"tensors, which are never executed ({_first_line(error)}). If you trust its origin, "
            "keep the parameters alone, where the libraries it needs are installed: "
            f"torch.save(torch.load({path.name!r}, weights_only=False)['state_dict'], "
            "'parameters.pth')"
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(
            f"{path} cannot be read ({_first_line(error)}): it is truncated or corrupt, fetch it "
            "again"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a table of parameters by name"
        )
    return content


@contextmanager
def _stand_ins(path: Path, passed_over: tuple[str, ...]) -> Iterator[None]:
    """Make torch replace classes with these prefixes by :class:`_PassedOver`."""
    if not passed_over:
        yield
        return
    named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    unwanted = [(_PassedOver, name) for name in named if name.startswith(passed_over)]
    with torch.serialization.safe_globals(unwanted):
        yield


def _unwrap(content: Mapping[str, Any]) -> dict[str, Any]:
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return _unwrap(content[wrapper])
    state = {str(name): value for name, value in content.items() if name not in _PASSENGERS}
    if state and all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _grouped(title: str, notes: Mapping[str, str]) -> list[str]:
    """One line per group of names that have the same note and differ only in block number."""
    families: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for name, note in notes.items():
        before, number, after = (*_NUMBER.split(name, 1), -1, "")[:3]
        families[before, after, note].append(int(number))
    return [
        f"  {title}: {before}{_runs(numbers)}{after} {note}"
        for (before, after, note), numbers in families.items()
    ]


def _runs(numbers: list[int]) -> str:
    """[3] -> "3", [0, 1, 2, 5] -> "{0-2,5}", and nothing for names without a number."""
    if numbers == [-1]:
        return ""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
    return text if len(numbers) == 1 else f"{{{text}}}"


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
