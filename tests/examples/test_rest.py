from __future__ import annotations

import ast
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from anymask.geometry import rle
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from examples.conftest import EXAMPLES, as_png, load_script
from servers import DEADLINE_SECONDS, running

CLIENT = load_script("rest/client.py", "anymask_rest_client")
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=30))


@pytest.fixture(scope="module")
def url(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tiny, tmp_path_factory.mktemp("studio")) as (_, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(url: str) -> Any:
    return CLIENT.Client(url, timeout_seconds=DEADLINE_SECONDS)


def as_array(mask: Any) -> np.ndarray:
    return np.frombuffer(mask.bits, np.uint8).reshape(mask.height, mask.width).astype(bool)


def test_only_the_standard_library_is_used():
    tree = ast.parse((EXAMPLES / "rest/client.py").read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= set(sys.stdlib_module_names)


@given(MASKS)
def test_masks_are_decoded_as_they_were(mask):
    decoded = CLIENT.Mask.from_rle(rle.encode(mask))
    assert np.array_equal(as_array(decoded), mask)
    assert decoded.area == mask.sum()


@given(MASKS)
def test_a_png_holds_the_mask(mask):
    with Image.open(io.BytesIO(CLIENT.Mask.from_rle(rle.encode(mask)).png())) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), mask * np.uint8(255))


@given(st.lists(st.integers(0, 2**31), max_size=30))
def test_run_lengths_are_those_that_were_written(counts):
    assert CLIENT.rle_counts(rle.counts_to_string(counts)) == counts


def test_a_code_of_another_size_is_refused():
    code = rle.encode(np.eye(4, dtype=bool))
    with pytest.raises(ValueError, match="longer than its size"):
        CLIENT.Mask.from_rle(code | {"size": [3, 4]})
    with pytest.raises(ValueError, match="shorter than its size"):
        CLIENT.Mask.from_rle(code | {"size": [5, 4]})


def test_events_are_read_as_browsers_read_them():
    lines = [
        b": a sign of life\n",
        b"\n",
        b"event: progress\r\n",
        b'data: {"done": 1,\n',
        b'data: "total": 4}\n',
        b"\n",
        b"event:done\n",
        b"data:{}\n",
        b"\n",
        b"event: cut\n",
    ]
    events = list(CLIENT.server_sent_events(lines))
    assert events == [("progress", {"done": 1, "total": 4}), ("done", {})]


def test_a_click_gives_the_models_masks(client, tiny, picture, png):
    image = client.upload(png)
    assert (image["width"], image["height"]) == (90, 60)
    answers = client.masks(image["id"], [{"points": [[40.5, 20]], "labels": [1]}])
    candidates = tiny.segment(picture, Prompt(points=[(40.5, 20)])).candidates(0)
    assert len(answers) == 3
    for answer, expected in zip(answers, candidates.array, strict=True):
        assert np.array_equal(as_array(CLIENT.Mask.from_rle(answer["segmentation"])), expected)


def test_a_box_gives_the_models_mask(client, tiny, picture, png):
    image = client.upload(png)
    (answer,) = client.masks(image["id"], [{"box": [10, 8, 80, 55]}])
    expected = tiny.segment(picture, Prompt(box=(10, 8, 80, 55))).array[0]
    assert np.array_equal(as_array(CLIENT.Mask.from_rle(answer["segmentation"])), expected)
    assert answer["area"] == expected.sum()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0), ("float16", 1e-2)])
def test_the_embedding_is_the_models(client, tiny, picture, png, dtype, tolerance):
    image = client.upload(png)
    embedding = client.embedding(image["id"], dtype)
    expected = tiny.encode(picture).embedding
    assert embedding.header["image"] == image["id"]
    assert embedding.header["size_hw"] == [60, 90]
    assert embedding.header["shape"] == list(expected.shape)
    numbers = np.array(embedding.numbers, np.float32).reshape(expected.shape)
    assert np.allclose(numbers, expected, atol=tolerance, rtol=tolerance)


def test_an_embedding_that_is_cut_off_is_refused(client, png):
    with pytest.raises(ValueError, match="an embedding with"):
        CLIENT.Embedding.parse(b"NOTHING!" + bytes(20))
    header = json.dumps({"dtype": "float32", "shape": [1, 2, 2]}).encode()
    content = CLIENT.MAGIC + len(header).to_bytes(4, "little") + header
    assert len(CLIENT.Embedding.parse(content + bytes(16)).numbers) == 4
    with pytest.raises(ValueError, match="12 bytes of numbers, not 16"):
        CLIENT.Embedding.parse(content + bytes(12))


def test_everything_is_a_job_that_tells_how_far_it_is(client, png):
    image = client.upload(png)
    settings = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    job = client.everything(image["id"], **settings)
    *progress, (last, _) = client.events(job)
    assert last == "done"
    assert {name for name, _ in progress} <= {"progress"}
    assert client.job(job)["state"] == "done"
    for record in client.result(job):
        assert CLIENT.Mask.from_rle(record["segmentation"]).area == record["area"]


def test_a_forgotten_picture_is_unknown(client):
    image = client.upload(as_png(np.full((9, 7, 3), 5, np.uint8)))
    assert client.image(image["id"])["state"] in ("queued", "encoding", "ready")
    client.forget(image["id"])
    with pytest.raises(CLIENT.ServerError) as caught:
        client.image(image["id"])
    assert caught.value.status == 404


def test_what_the_server_refuses_is_told(client, png):
    with pytest.raises(CLIENT.ServerError) as caught:
        client.upload(b"no picture")
    assert caught.value.status == 415
    image = client.upload(png)
    with pytest.raises(CLIENT.ServerError, match="outside the image"):
        client.masks(image["id"], [{"points": [[900, 5]]}])


def test_a_server_that_is_not_there_is_told():
    with pytest.raises(CLIENT.ServerError, match=r"no server answers at http://127\.0\.0\.1:9"):
        CLIENT.Client("http://127.0.0.1:9").about()


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="http://"):
        CLIENT.Client("file:///etc/passwd")


class _Busy(BaseHTTPRequestHandler):
    """Refuses twice, then breaks an event stream once, then ends it."""

    answers: list[tuple[int, dict[str, str], bytes]]
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        status, headers, body = self.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[Any]]]:
    handler = type("Handler", (_Busy,), {"answers": list(answers), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
        server.shutdown()
        thread.join()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(CLIENT.time, "sleep", waits.append)
    return waits


def test_a_busy_server_is_asked_again_when_it_says_so(slept):
    busy = (429, {"Retry-After": "3"}, b"{}")
    with answering(busy, busy, (200, {}, b'{"version": "1"}')) as (url, asked):
        assert CLIENT.Client(url, token="t").about() == {"version": "1"}
    assert slept == [3.0, 3.0]
    assert asked == [("/api/about", "Bearer t")] * 3


def test_a_server_that_stays_busy_is_told(slept):
    told = b'{"error": {"code": "busy", "message": "8 pictures wait already"}}'
    with (
        answering(*[(429, {"Retry-After": "1"}, told)] * 5) as (url, _),
        pytest.raises(CLIENT.ServerError, match="8 pictures wait already"),
    ):
        CLIENT.Client(url).about()
    assert len(slept) == 4


def test_a_broken_event_stream_is_taken_up_again(slept):
    broken = b'event: progress\ndata: {"done": 1, "total": 2}\n\n'
    whole = b'event: progress\ndata: {"done": 2, "total": 2}\n\nevent: done\ndata: {}\n\n'
    with answering((200, {}, broken), (200, {}, whole)) as (url, asked):
        events = list(CLIENT.Client(url).events("j"))
    assert [name for name, _ in events] == ["progress", "progress", "done"]
    assert [path for path, _ in asked] == ["/api/jobs/j/events"] * 2


def test_the_command_line_writes_masks(url, png, tmp_path: Path, capsys):
    photo = tmp_path / "photo.png"
    photo.write_bytes(png)
    out = tmp_path / "out"
    asked = ["--point", "40.5,20", "--point", "5,50", "--label", "1", "--label", "0", "--embedding"]
    assert CLIENT.main([str(photo), "--url", url, "--out", str(out), *asked]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "photo_embedding.f32",
        "photo_mask0.png",
    ]
    assert "90 x 60 pixels" in capsys.readouterr().out


def test_the_command_line_finds_everything(url, png, tmp_path: Path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(png)
    assert CLIENT.main([str(photo), "--url", url, "--out", str(tmp_path), "--everything"]) == 0


def test_the_command_line_tells_what_went_wrong(url, tmp_path: Path, capsys):
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"no picture")
    assert CLIENT.main([str(photo), "--url", url, "--point", "1,1", "--out", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit):
        CLIENT.main([str(photo), "--point", "1"])
    assert "must be 2 numbers" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_lines_of_the_readme_run(url, picture, tmp_path: Path):
    text = (EXAMPLES / "rest/README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    Image.fromarray(picture).resize((600, 400)).save(tmp_path / "photo.jpg")
    done = subprocess.run(
        ["bash", "-euc", script.replace("http://127.0.0.1:8000", url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"prompt":1' in done.stdout
    assert "event: done" in done.stdout
    assert json.loads((tmp_path / "records.json").read_bytes())["records"] is not None
    assert CLIENT.Embedding.parse((tmp_path / "photo.embedding").read_bytes()).numbers


def test_the_commands_of_the_readme_are_understood():
    text = (EXAMPLES / "rest/README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python examples/rest/client\.py (.*)$", text, re.MULTILINE)
    assert len(commands) > 3
    for command in commands:
        assert CLIENT._parser().parse_args(shlex.split(command)).picture == Path("photo.jpg")


@pytest.mark.weights
def test_the_default_model_answers_as_in_python(default_weights, coffee, tmp_path: Path):
    from anymask import load_model

    model = load_model("vit_t", offline=True)
    with running(model, tmp_path) as (_, port):
        client = CLIENT.Client(f"http://127.0.0.1:{port}")
        image = client.upload(as_png(coffee))
        answer = client.masks(image["id"], [{"points": [[300, 190]]}])[0]
    expected = model.segment(coffee, Prompt(points=[(300, 190)])).array[0]
    assert expected.any()
    assert np.array_equal(as_array(CLIENT.Mask.from_rle(answer["segmentation"])), expected)
