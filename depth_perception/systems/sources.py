"""Where the files of weights are published, and what is known about them beforehand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from .card import ModelCard

HUB, HUB_VARIABLE = "https://huggingface.co", "HF_ENDPOINT"
GITHUB, RAW = "https://github.com", "https://raw.githubusercontent.com"
DRIVE_PAGE = "https://drive.google.com/file/d/{}/view"
DRIVE = "https://drive.google.com/uc?export=download&id={}"

_PERMISSIVE = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT")
_TEXTS = {"CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/"}


class FetchError(RuntimeError):
    """Weights could not be fetched; the message names the file and its folder."""


@dataclass(frozen=True)
class RemoteFile:
    """One file to download.

    Attributes:
        url: its address.
        page: the address for people; that of the file where there is no page.
        name: the authors' name of the file.
        kind: ``hub``, ``drive``, or ``url`` for all others.
        revision: commit of the repository at ``url``; empty if none is pinned.
        sha256: of its content, hexadecimal; empty if unknown.
        git_blob: id of its content in git, the SHA-1 of its length and content; empty if unknown.
        size_bytes: its size; None if unknown.
        most_bytes: a size that no file of the model exceeds, with the state of its training.
    """

    url: str
    page: str
    name: str
    kind: str
    revision: str
    sha256: str
    git_blob: str
    size_bytes: int | None
    most_bytes: int

    @property
    def is_known(self) -> bool:
        """Whether its content is known beforehand, whoever delivers it."""
        return bool(self.sha256 or self.git_blob)


def remote_files(card: ModelCard) -> Iterator[RemoteFile]:
    """The files of a model; nothing for models whose authors offer no download.

    The addresses at the hub begin with ``$HF_ENDPOINT`` where it is set.
    """
    common = {
        "revision": card.revision,
        "sha256": card.sha256,
        "git_blob": card.git_blob,
        "size_bytes": card.size_bytes,
        "most_bytes": 32 * card.parameters + (64 << 20),
    }
    if card.hub_repo:
        name = card.hub_file or card.file_name
        path = f"{card.hub_repo}/resolve/{card.revision or 'main'}/{quote(name)}"
        endpoint = (os.environ.get(HUB_VARIABLE) or HUB).rstrip("/")
        yield RemoteFile(f"{endpoint}/{path}", f"{HUB}/{path}", name, "hub", **common)
    elif card.drive_id:
        url, page = DRIVE.format(card.drive_id), DRIVE_PAGE.format(card.drive_id)
        yield RemoteFile(url, page, card.file_name, "drive", **common)
    elif card.git_repo:
        base = f"{RAW}/{card.git_repo}/{card.revision}"
        for name, blob in card.git_files or (("", card.git_blob),):
            path = f"{card.git_path}/{name}" if name else card.git_path
            url = f"{base}/{quote(path)}"
            known = {**common, "git_blob": blob}
            yield RemoteFile(url, url, path.rpartition("/")[2], "url", **known)
    elif card.url:
        name = card.url.partition("?")[0].rpartition("/")[2]
        yield RemoteFile(card.url, card.url, name, "url", **common)


def is_plain_http(url: str) -> bool:
    """Whether an address is not https, so that anybody on the way can change the content."""
    return urlsplit(url).scheme != "https"


def page_of(card: ModelCard) -> str:
    """The address at which people find the weights of a model; empty if there is none."""
    if card.hub_repo:
        return f"{HUB}/{card.hub_repo}"
    if card.drive_id:
        return DRIVE_PAGE.format(card.drive_id)
    if card.git_repo:
        kind = "tree" if card.git_files else "blob"
        return f"{GITHUB}/{card.git_repo}/{kind}/{card.revision}/{card.git_path}"
    return card.url or card.home_page


def terms_of(card: ModelCard) -> str:
    """Terms of the weights that must be accepted, in sentences; empty for permissive licences."""
    licence = card.weights_licence
    if licence in _PERMISSIVE or not card.can_be_fetched:
        return ""
    text = f"The weights of {card.name} are under: {licence}."
    if card.terms:
        return f"{text} {card.terms}"
    if licence in _TEXTS:
        return f"{text} Non-commercial use only, see {_TEXTS[licence]}."
    if licence.startswith("none stated"):
        where = f" ({card.home_page})" if card.home_page else ""
        return f"{text} Without a licence, all rights are with their authors{where}."
    return text
