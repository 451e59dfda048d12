"""Many people at once, with the default model: everybody gets what one alone would get."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.inference.load import load_model
from anymask.server.wire import embedding_file
from anymask.types.prompt import Prompt
from conftest import REPOSITORY
from servers import DEADLINE_SECONDS, client_for, picture, running, until

THREADS, IMAGES = 8, 20


def photo(seed: int, pixels: np.ndarray) -> bytes:
    """A part of a real photo, of a size of its own."""
    dice = random.Random(seed)
    width, height = dice.randrange(40, 500), dice.randrange(40, 400)
    buffer = BytesIO()
    Image.fromarray(pixels[:height, :width]).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.mark.weights
@pytest.mark.slow
def test_eight_clients_with_twenty_pictures_each_get_the_serial_answers(
    default_weights, coffee, tmp_path
):
    model = load_model("vit_t", device="cpu", engine="onnx", offline=True)
    photos = [photo(seed, coffee) for seed in range(IMAGES)]
    body = {"prompts": [{"points": [[20, 20]]}, {"box": [5, 5, 35, 30]}]}
    prompts = [Prompt(points=[(20, 20)]), Prompt(box=(5, 5, 35, 30))]
    expected = []
    for content in photos:
        encoded = model.encode(content)
        masks = model.segment(encoded, prompts)
        codes = [code for row in range(2) for code in masks.candidates(row).rle()]
        expected.append((embedding_file(encoded, "pair-1", "float32"), codes))

    def visit(number: int) -> int:
        order = list(range(IMAGES))
        random.Random(number).shuffle(order)
        with client_for(port) as client:
            for one in order:
                sent = client.post("/api/images", content=photos[one])
                assert sent.status_code == 201, sent.text
                address = f"/api/images/{sent.json()['id']}"
                got = client.get(f"{address}/embedding", params={"dtype": "float32"})
                assert got.content == expected[one][0]
                answer = client.post(f"{address}/masks", json=body).json()
                assert [mask["segmentation"] for mask in answer["masks"]] == expected[one][1]
        return len(order)

    room = 5 * (1 << 22)
    with running(model, tmp_path, embedding_memory_bytes=room, decode_queue=64) as (studio, port):
        with ThreadPoolExecutor(THREADS) as clients:
            assert list(clients.map(visit, range(THREADS))) == [IMAGES] * THREADS
        assert studio.embeddings.memory_bytes <= room


PROCESS = """
import sys
from pathlib import Path
from models import tiny_model
from servers import Graphs
from anymask.server import run
from anymask.server.limits import Limits
from anymask.server.security import Access
from anymask.server.studio import Studio
studio = Studio(tiny_model(), Graphs(), Path(sys.argv[1]), Limits())
listener = run.listen("127.0.0.1", 0)
port = listener.getsockname()[1]
run.serve(studio, listener, Access(), lambda: print(port, studio.pictures.folder, flush=True))
"""


class Process:
    """A server in a process of its own."""

    def __init__(self, cache: Path) -> None:
        paths = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY / "tests")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(cache)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert self.process.stdout is not None
        port, self.folder = self.process.stdout.readline().split()
        self.port = int(port)

    def end(self, by: signal.Signals) -> tuple[int, str]:
        """Exit code and what was said on stderr."""
        self.process.send_signal(by)
        _, said = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, said


def begin_long_job(client, image_id: str) -> str:
    body = {"points_per_side": 500, "pred_iou_thresh": 0.999}
    job = client.post(f"/api/images/{image_id}/everything", json=body).json()["id"]
    until(lambda: client.get(f"/api/jobs/{job}").json()["done"] > 0)
    return job


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_a_job_leaves_nothing_corrupt(tmp_path):
    answers, folders = [], []
    for ending in (signal.SIGKILL, signal.SIGKILL, signal.SIGINT):
        server = Process(tmp_path)
        folders.append(Path(server.folder))
        with client_for(server.port) as client:
            ids = [
                client.post("/api/images", content=picture(seed)).json()["id"] for seed in range(5)
            ]
            got = [
                client.get(f"/api/images/{one}/embedding", params={"dtype": "float32"}).content
                for one in ids
            ]
            body = {"prompts": [{"points": [[9, 9]]}]}
            masks = client.post(f"/api/images/{ids[0]}/masks", json=body).json()
            begin_long_job(client, ids[0])
            client.post("/api/images", content=picture(99, size=(300, 200)))
            code, _ = server.end(ending)
            assert code == (-9 if ending == signal.SIGKILL else 130 if code > 0 else -2)
        answers.append((ids, got, masks))
    assert answers[0] == answers[1] == answers[2]
    assert not any(folder.exists() for folder in folders), "swept by the next, or at the end"
    assert not list(tmp_path.rglob("*.tmp*"))
    assert folders[0].parent == Path(tempfile.gettempdir())


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_in_the_middle_of_a_job(tmp_path, by):
    server = Process(tmp_path)
    with client_for(server.port) as client:
        image_id = client.post("/api/images", content=picture()).json()["id"]
        job = begin_long_job(client, image_id)
        with client.stream("GET", f"/api/jobs/{job}/events") as response:
            code, said = server.end(by)
            assert list(response.iter_lines())[-3:] == ["event: cancelled", "data: {}", ""]
    assert code != 0
    assert "KeyboardInterrupt" in said.splitlines()[-1] if by == signal.SIGINT else not said
    assert not Path(server.folder).exists()


@pytest.mark.slow
def test_a_signal_in_the_middle_of_an_upload_says_nothing_but_that(tmp_path):
    server = Process(tmp_path)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST /api/images HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        connection.sendall(f"{head}Content-Length: 5000000\r\n\r\n".encode() + b"x" * 2_000_000)
        until(lambda: [path for path in Path(server.folder).iterdir() if path.name != "lock"])
        _, said = server.end(signal.SIGTERM)
    assert said == ""
    assert not Path(server.folder).exists()
