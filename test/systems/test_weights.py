"""Fetching weights from a server on this machine that plays hub, git, Drive and plain files."""

from __future__ import annotations

import errno
import hashlib
import json
import pickle
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from weights_server import (
    CONTENT,
    FILE,
    NAME,
    NOWHERE,
    OTHER,
    REPO,
    REVISION,
    SHA256,
    Known,
    Marker,
    Server,
    largest_file,
    left,
    refused,
)

from depth_perception.systems import (
    FetchError,
    build_network,
    card,
    download,
    fetch,
    load_network,
    save_network,
    sources,
    weights,
    weights_path,
)
from depth_perception.systems.checkpoints import CheckpointError


def test_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))
    assert weights_path(NAME) == tmp_path / "depth_anything_v2_vits.pth"
    monkeypatch.delenv("DEPTH_PERCEPTION_HOME")
    expected = Path.home() / ".cache" / "depth_perception" / "depth_anything_v2_vits.pth"
    assert weights_path(NAME) == expected
    assert weights_path("panda-tiny-metric").parent.name == "assets"


def test_known_file_of_the_hub_is_verified_and_kept(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    known()
    path = fetch(NAME, tmp_path / "new")
    assert path.read_bytes() == CONTENT
    assert left(tmp_path / "new") == [path.name]
    assert fetch(NAME, tmp_path / "new") == path
    assert len(server.requests) == 1
    path.write_bytes(CONTENT[:-1])
    assert fetch(NAME, tmp_path / "new").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_download_continues_after_a_cut(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    known()
    server.cut_after, server.cuts = 40_000, 2
    said: list[str] = []
    assert fetch(NAME, tmp_path, say=said.append).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=40000-", "bytes=80000-"]
    assert any("interrupted after 40000 bytes" in text for text in said)


def test_next_call_continues(server: Server, known: Known, secure: None, tmp_path: Path) -> None:
    known()
    server.cut_after, server.cuts = 40_000, 1
    broken = server.files.copy()

    class Gone(dict):  # after the first part, the server has nothing more to say
        def __contains__(self, key: object) -> bool:
            return not server.requests and key in broken

        def __getitem__(self, key: str) -> bytes:
            return broken[key]

    server.files = Gone()
    with pytest.raises(FetchError, match=r"HTTP 404.*40000 bytes are kept"):
        fetch(NAME, tmp_path)
    assert not weights_path(NAME, tmp_path).exists()
    server.files = broken
    assert fetch(NAME, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=40000-"]
    assert left(tmp_path) == ["depth_anything_v2_vits.pth"]


@pytest.mark.parametrize("change", ["content", "ranges"])
def test_what_cannot_be_continued_begins_again(
    server: Server, known: Known, tmp_path: Path, change: str
) -> None:
    known(sha256="")
    path = weights_path(NAME, tmp_path)
    part = weights.unfinished(path) / path.name
    part.parent.mkdir(parents=True)
    part.write_bytes(OTHER[:1000])
    (address,) = sources.remote_files(card(NAME))
    state = {"url": address.url, "tag": '"old"', "total": len(CONTENT), "revision": REVISION}
    part.with_name(f"{part.name}.json").write_text(json.dumps(state))
    server.ranges = change == "content"
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == CONTENT


@pytest.mark.parametrize("is_stated", [True, False])
def test_another_file_is_refused(
    server: Server, known: Known, secure: None, tmp_path: Path, is_stated: bool
) -> None:
    known()
    server.files[f"{REPO}/{FILE}"] = OTHER
    server.stated_sha256 = None if is_stated else ""
    message = refused(tmp_path, SHA256, trust=True)  # to trust is not to take any file
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert "--trust" not in message


def test_wrong_size_is_refused(server: Server, known: Known, secure: None, tmp_path: Path) -> None:
    known(size_bytes=len(CONTENT) + 1)
    refused(tmp_path, "states 102400 bytes, but 102401 are known")
    known(sha256="", size_bytes=None, parameters=-(2 << 20))
    refused(tmp_path, "has 102400 bytes or more, too many", trust=True)


def test_changed_revision_is_refused(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    known()
    server.revision = "b" * 40
    refused(tmp_path, f"answers with revision {'b' * 40}, not {REVISION}")


def test_unknown_file_needs_trust_and_is_recorded(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    known(sha256="", revision="", size_bytes=None)
    message = refused(tmp_path, r"neither catalogue nor record states the SHA-256 of net\.pth")
    assert "--trust takes it" in message
    assert server.requests == []
    path = fetch(NAME, tmp_path, trust=True)
    record = json.loads((tmp_path / "fetched.json").read_text())[path.name][FILE]
    assert record["sha256"] == SHA256
    assert record["revision"] == REVISION
    assert weights.remove(NAME, tmp_path) == [path]
    assert fetch(NAME, tmp_path).read_bytes() == CONTENT  # known now

    weights.remove(NAME, tmp_path)
    server.files[f"{REPO}/{FILE}"] = OTHER
    assert "--trust takes the new one" in refused(tmp_path, "another file")
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == OTHER
    weights.remove(NAME, tmp_path)
    assert fetch(NAME, tmp_path).read_bytes() == OTHER


def test_plain_http_needs_trust(server: Server, known: Known, tmp_path: Path) -> None:
    known()
    assert "--trust takes it nevertheless" in refused(tmp_path, "is plain http")
    assert server.requests == []
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == CONTENT


def test_redirection_to_plain_http_needs_trust(
    server: Server, known: Known, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known()
    monkeypatch.setattr(weights, "is_plain_http", lambda _: False)
    monkeypatch.setattr(download, "is_plain_http", lambda url: "/cdn/" in url)
    refused(tmp_path, "leads to .*/cdn/.*, which is plain http")
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == CONTENT


def test_terms_must_be_accepted(server: Server, known: Known, secure: None, tmp_path: Path) -> None:
    known(weights_licence="CC-BY-NC-4.0", sha256="")
    message = refused(tmp_path, r"CC-BY-NC-4\.0\. Non-commercial use only")
    assert "--accept-licence accepts" in message
    assert "--trust takes it" in message  # all that is missing at once
    refused(tmp_path, "--trust takes it", accept_licence=True)
    said: list[str] = []
    fetch(NAME, tmp_path, accept_licence=True, trust=True, say=said.append)
    assert "CC-BY-NC-4.0" in said[0]
    fetch(NAME, tmp_path)  # what is here was accepted


def test_a_model_brings_along_what_it_needs(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    free = {"weights_licence": "MIT"}
    known("ppd-large", **free, file_name="ppd.pth")
    known("depth-anything-v2-large", **free)
    known("moge-2-vitl-normal", **free, hub_repo="authors/moge", sha256="")
    server.files[f"authors/moge/{FILE}"] = OTHER
    message = refused(tmp_path, "moge-2-vitl-normal: neither", "ppd-large")
    assert message.count("By hand: get") == 3
    assert fetch("ppd-large", tmp_path, trust=True) == tmp_path / "ppd.pth"
    assert left(tmp_path) == ["depth_anything_v2_vitl.pth", "moge_2_vitl_normal.pt", "ppd.pth"]
    assert (tmp_path / "moge_2_vitl_normal.pt").read_bytes() == OTHER


def test_no_space_is_said_before(
    server: Server, known: Known, secure: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known()
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "0.1 MB needed, 0.0 MB free" in refused(tmp_path, "no space for net.pth in")


def test_no_space_on_the_way_keeps_the_part(
    server: Server, known: Known, secure: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known()
    monkeypatch.setattr(download, "_CHUNK_BYTES", 10_000)
    with largest_file(50_000), pytest.raises(FetchError) as caught:
        fetch(NAME, tmp_path)
    message = str(caught.value)
    assert "no space for net.pth" in message
    assert "50000 bytes of it are kept there and continued" in message
    assert not weights_path(NAME, tmp_path).exists()
    assert fetch(NAME, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=50000-"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_and_quota_are_told_alike(
    server: Server, known: Known, secure: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    number: int,
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise OSError(number, "full")

    known()
    monkeypatch.setattr(download, "write_text", fail)
    refused(tmp_path, "no space for net.pth .*make room and fetch again")


def test_without_network_the_message_says_what_to_put_where(
    known: Known, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = refused(tmp_path, "could not be downloaded .*refused", trust=True)
    page = f"https://huggingface.co/{REPO}/resolve/{REVISION}/{FILE}"
    path = weights_path(NAME, tmp_path)
    assert f"By hand: get {FILE} from {page} and save it as {path}" in message
    path.write_bytes(CONTENT)
    assert fetch(NAME, tmp_path) == path  # the hub is not asked
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path.unlink()
    refused(tmp_path, "HF_HUB_OFFLINE is set", trust=True)


def test_file_put_there_by_hand_is_recorded(known: Known, tmp_path: Path) -> None:
    known(sha256="", size_bytes=None)
    path = weights_path(NAME, tmp_path)
    path.write_bytes(CONTENT)
    said: list[str] = []
    assert fetch(NAME, tmp_path, say=said.append) == path
    assert SHA256 in said[0]
    assert json.loads((tmp_path / "fetched.json").read_text())[path.name][FILE]["sha256"] == SHA256


def test_two_at_once_download_once(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    known()
    server.gate = threading.Event()
    found, waiting = [], threading.Event()

    def say(text: str) -> None:
        if "another process is fetching" in text:
            waiting.set()

    threads = [
        threading.Thread(target=lambda: found.append(fetch(NAME, tmp_path, say=say)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert waiting.wait(20)
    with pytest.raises(FetchError, match="another process is fetching"):
        weights.remove(NAME, tmp_path)
    server.gate.set()
    for thread in threads:
        thread.join(20)
    assert [path.read_bytes() == CONTENT for path in found] == [True, True]
    assert len(server.requests) == 1
    assert left(tmp_path) == ["depth_anything_v2_vits.pth"]


def test_killed_download_leaves_no_half_file(server: Server, tmp_path: Path) -> None:
    server.files["ZidongC/PanDA/panda_small.pth"] = CONTENT
    server.gate, server.cut_after = threading.Event(), 40_000
    command = "from depth_perception.cli.main import main; main()"
    arguments = ["weights", "fetch", "panda-small", "--accept-licence", "--trust"]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments, "--directory", str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )
    path = weights_path("panda-small", tmp_path)
    part = weights.unfinished(path) / path.name
    try:
        deadline = time.monotonic() + 120
        while weights.size_of(part) < 40_000:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not path.exists()
    finally:
        process.kill()
        process.wait()
        server.gate.set()
    server.gate = None
    allowed = {"trust": True, "accept_licence": True}
    assert fetch("panda-small", tmp_path, **allowed).read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=40000-"
    assert left(tmp_path) == ["panda_small.pth"]


def test_google_drive_asks_for_confirmation(server: Server, known: Known, tmp_path: Path) -> None:
    pytest.importorskip("gdown", reason="an extra: pip install 'depth_perception[drive]'")
    known("da360-base", **{**NOWHERE, "drive_id": "ID1", "link_unsure": False})
    server.files["ID1"] = CONTENT
    server.cut_after, server.cuts = 30_000, 1
    path = fetch("da360-base", tmp_path, trust=True, accept_licence=True)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=30000-"]
    weights.remove("da360-base", tmp_path)
    server.quota = "Too many users have viewed or downloaded this file recently"
    message = refused(tmp_path, "Too many users", "da360-base", trust=True, accept_licence=True)
    assert "https://drive.google.com/file/d/ID1/view" in message


def test_google_drive_without_its_library(
    server: Server, known: Known, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known("da360-base", **{**NOWHERE, "drive_id": "ID1"})
    monkeypatch.setitem(sys.modules, "gdown.download", None)
    allowed = {"trust": True, "accept_licence": True}
    message = refused(tmp_path, r"depth_perception\[drive\]", "da360-base", **allowed)
    assert "https://drive.google.com/file/d/ID1/view" in message


def test_plain_address(server: Server, known: Known, tmp_path: Path) -> None:
    known(**{**NOWHERE, "url": f"{server.base}/files/any%20name.pth?download=1"})
    server.files["files/any name.pth"] = CONTENT
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == CONTENT
    record = json.loads((tmp_path / "fetched.json").read_text())
    assert [*record["depth_anything_v2_vits.pth"]] == ["any%20name.pth"]


def test_folder_in_a_git_repository(
    server: Server, known: Known, secure: None, tmp_path: Path
) -> None:
    arrays = {f"a.{n}:0.npy": b"\x93NUMPY" + bytes([n]) * 50 for n in range(3)}
    blobs = [
        (name, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())
        for name, data in arrays.items()
    ]
    git = {"git_repo": "a/b", "git_path": "w", "git_files": tuple(blobs), "revision": REVISION}
    known("blindspot-vgg", **{**NOWHERE, **git}, weights_licence="MIT")
    server.files = {f"a/b/{REVISION}/w/{name}": data for name, data in arrays.items()}
    last = server.files.pop(f"a/b/{REVISION}/w/a.2:0.npy")
    with pytest.raises(FetchError, match="HTTP 404"):
        fetch("blindspot-vgg", tmp_path)
    path = weights_path("blindspot-vgg", tmp_path)
    assert not path.exists()
    server.files[f"a/b/{REVISION}/w/a.2:0.npy"] = last
    server.requests.clear()
    assert fetch("blindspot-vgg", tmp_path) == path
    assert len(server.requests) == 1  # the others were there already
    assert {file.name: file.read_bytes() for file in path.iterdir()} == arrays
    (path / "a.1:0.npy").write_bytes(b"damaged")
    assert {f.name: f.read_bytes() for f in fetch("blindspot-vgg", tmp_path).iterdir()} == arrays
    assert weights.remove("blindspot-vgg", tmp_path) == [path]
    assert left(tmp_path) == []


def test_no_pickle_for_safetensors(server: Server, known: Known, tmp_path: Path) -> None:
    known("da3-metric-large", sha256="", size_bytes=None, hub_file="model.safetensors")
    server.files[f"{REPO}/model.safetensors"] = pickle.dumps({"model": Marker()})
    refused(tmp_path, "is a pickle, not what its name says", "da3-metric-large", trust=True)


def test_no_web_page(server: Server, known: Known, tmp_path: Path) -> None:
    known(sha256="", size_bytes=None)
    server.files[f"{REPO}/{FILE}"] = b"\n<!doctype html><title>Sign in</title>"
    refused(tmp_path, "delivers a web page", trust=True)


def test_nothing_in_a_trusted_file_is_executed(
    server: Server, known: Known, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known(sha256="", size_bytes=None)
    monkeypatch.chdir(tmp_path)
    server.files[f"{REPO}/{FILE}"] = pickle.dumps({"model": Marker()})
    path = fetch(NAME, tmp_path / "home", trust=True)
    with pytest.raises(CheckpointError, match="never executed"):
        load_network(NAME, path)
    assert not (tmp_path / "marker").exists()


def test_file_behind_an_unsure_link_must_fit_the_model(
    server: Server, known: Known, tmp_path: Path
) -> None:
    facts = {**NOWHERE, "url": f"{server.base}/net.safetensors", "link_unsure": True}
    known("da360-tiny", **facts, weights_licence="MIT")
    for name in ("dap-tiny", "da360-tiny"):
        save_network(build_network(name), tmp_path / name)
        server.files["net.safetensors"] = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        if name == "dap-tiny":
            text = "does not lead to the weights of da360-tiny"
            refused(tmp_path, text, "da360-tiny", trust=True)
    load_network("da360-tiny", fetch("da360-tiny", tmp_path, trust=True))


def test_models_without_weights_say_so(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="checkpoint of your own"):
        fetch("panda-tiny", tmp_path)
    assert fetch("panda-tiny-metric") == weights_path("panda-tiny-metric")
    with pytest.raises(FetchError, match="part of the package"):
        weights.remove("panda-tiny-metric")


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ("{", "is damaged"),
        ("[]", "is not a table"),
        ('{"FILE": [1]}', r"states \[1\] of depth_anything_v2_vits\.pth"),
        ('{"FILE": {"net.pth": "abc"}}', "states 'abc' of"),
        ('{"other.pth": 1}', r"states 1 of other\.pth"),
    ],
)
@pytest.mark.parametrize("is_here", [False, True])
def test_damaged_notes_are_named(
    known: Known, secure: None, tmp_path: Path, notes: str, told: str, is_here: bool
) -> None:
    known(sha256="")
    path = weights_path(NAME, tmp_path)
    (tmp_path / "fetched.json").write_text(notes.replace("FILE", path.name))
    if is_here:
        path.write_bytes(CONTENT)
    with pytest.raises(FetchError, match=rf"fetched\.json {told}.*remove it"):
        fetch(NAME, tmp_path)
    assert left(tmp_path) == [path.name] * is_here


def test_files_of_one_name_at_the_hub_do_not_meet(tmp_path: Path) -> None:
    names = [weights_path(f"moge-2-{size}-normal", tmp_path).name for size in ("vits", "vitl")]
    assert names == ["moge_2_vits_normal.pt", "moge_2_vitl_normal.pt"]
