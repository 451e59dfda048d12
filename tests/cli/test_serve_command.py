from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace

import httpx
import pytest

from anymask.server import run as server_run
from conftest import REPOSITORY


@pytest.fixture(autouse=True)
def bundle(stub, monkeypatch):
    """Graphs for the page, without a network to make them of."""
    module = ModuleType("anymask.export.bundle")
    module.page_bundle = lambda model: SimpleNamespace(pair_id="pair-1", files={"image": b"1"})
    monkeypatch.setitem(sys.modules, "anymask.export.bundle", module)
    return stub


@pytest.fixture
def calls(monkeypatch):
    """What the command would serve, without serving it."""
    seen = []

    def serve(studio, listener, access, on_ready):
        seen.append(SimpleNamespace(studio=studio, access=access, port=listener.getsockname()[1]))
        on_ready()
        studio.__exit__(None, None, None)

    monkeypatch.setattr(server_run, "serve", serve)
    return seen


def test_one_line_says_where_the_page_is(run, calls):
    ended = run("serve", "--port", "0")
    (call,) = calls
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"anymask is ready at http://127.0.0.1:{call.port}/\n"
    assert call.access.token is None


def test_the_options_reach_the_server(run, calls, stub, tmp_path):
    ended = run(
        "serve", "--port", "0", "--upload-limit-mb", "7", "--memory-mb", "40", "--disk-mb", "60",
        "--workers", "2", "--max-pixels", "5000", "--allow-origin", "https://a.example:8",
        "--allow-host", "studio.example", "--model", "vit_b", "--engine", "torch",
        "--cache-dir", tmp_path / "cache",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    limits = calls[0].studio.limits
    assert (limits.upload_bytes, limits.pixels, limits.encoders) == (7_000_000, 5000, 2)
    assert limits.picture_memory_bytes + limits.embedding_memory_bytes == 40_000_000
    assert limits.picture_disk_bytes + limits.embedding_disk_bytes == 60_000_000
    assert calls[0].access.origins == ("https://a.example:8",)
    assert calls[0].access.hosts == ("studio.example",)
    name, options = stub.calls[0]
    assert (name, options["engine"]) == ("vit_b", "torch")
    assert options["cache_dir"] == tmp_path / "cache"


def test_beyond_loopback_a_token_is_made_and_shown_in_the_address(run, calls):
    first, second = (run("serve", "--host", "0.0.0.0", "--port", "0") for _ in range(2))
    assert first.code == 0, first.err
    tokens = [call.access.token for call in calls]
    assert all(len(token) >= 32 for token in tokens)
    assert tokens[0] != tokens[1]
    assert first.out.strip().endswith(f"/#token={tokens[0]}")
    assert second.out.strip().endswith(f"/#token={tokens[1]}")


def test_a_token_is_taken_from_the_option_or_the_environment(run, calls, monkeypatch):
    run("serve", "--port", "0", "--token", "given-on-the-line")
    monkeypatch.setenv("ANYMASK_TOKEN", "given-by-environment")
    run("serve", "--port", "0")
    run("serve", "--port", "0", "--token", "given-on-the-line")
    assert [call.access.token for call in calls] == [
        "given-on-the-line", "given-by-environment", "given-on-the-line"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--token", "short"), "--token has 5 characters; give at least 16"),
        (("--token", "with a space in the middle"), "--token has a space"),
        (("--allow-origin", "example.org"), "'example.org' is no origin"),
        (("--allow-origin", "https://example.org/path"), "is no origin"),
        (("--port", "70000"), "--port"),
        (("--model", "vit_x"), "vit_x"),
        (("--memory-mb", "0"), "--memory-mb"),
        (("--checkpoint", "nothing.pth"), "'nothing.pth' does not exist"),
    ],
)
def test_wrong_options_are_named(run, calls, words, named):
    ended = run("serve", *words)
    assert (ended.code, ended.out) == (2, "")
    assert named in ended.err
    assert ended.err.count("\n") == 1
    assert calls == []


def test_a_port_that_is_taken_is_told_before_weights_are_loaded(run, calls, stub):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("serve", "--port", port)
    assert (ended.code, ended.out) == (1, "")
    assert f"port {port} on 127.0.0.1 is taken" in ended.err
    assert stub.calls == []


def test_an_address_of_another_machine_is_told(run, calls):
    ended = run("serve", "--host", "192.0.2.1", "--port", "0")
    assert ended.code == 1
    assert "192.0.2.1" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_a_missing_extra_names_its_install_line(run, calls, monkeypatch, package):
    command = sys.modules["anymask.cli.serve"]
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == package else object())
    ended = run("serve")
    assert ended.code == 1
    assert f"{package} is needed to serve the Studio" in ended.err
    assert 'pip install "anymask[serve]"' in ended.err


def test_the_page_is_opened_when_asked(run, calls, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run("serve", "--port", "0")
    assert opened == []
    run("serve", "--port", "0", "--open")
    assert opened == [f"http://127.0.0.1:{calls[1].port}/"]


@pytest.mark.weights
@pytest.mark.slow
def test_the_real_command_serves_and_ends_by_ctrl_c(default_weights, coffee, tmp_path):
    if not (REPOSITORY / "src/anymask/export/bundle.py").exists():
        pytest.skip("the page's decoder is not part of this checkout yet")
    process = subprocess.Popen(
        [sys.executable, "-m", "anymask", "serve", "--port", "0", "--offline"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        cwd=tmp_path,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    assert line.startswith("anymask is ready at http://127.0.0.1:")
    photo = (REPOSITORY / "examples/photos/coffee.jpg").read_bytes()
    with httpx.Client(base_url=line.split()[-1], timeout=60, trust_env=False) as client:
        about = client.get("/api/about").json()
        assert about["model"]["id"].startswith("vit_t@")
        assert set(about["decoder"]["files"]) == {"image", "prompt", "preview"}
        image = client.post("/api/images", content=photo).json()
        address = f"/api/images/{image['id']}"
        embedding = client.get(f"{address}/embedding")
        header = json.loads(
            embedding.content[12 : 12 + int.from_bytes(embedding.content[8:12], "little")]
        )
        assert header["pair_id"] == about["pair_id"]
        assert client.post(f"{address}/everything", json={}).status_code == 202
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    watchdog.cancel()
    assert (process.returncode, out) == (130, "")
    assert err in ("", "interrupted\n"), "no traceback"
