from __future__ import annotations

import gc
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import pytest
from PIL import Image

from anymask.inference.encoded import EncodedImage
from servers import client_for, error_of, picture, until


def spooled(served) -> set[str]:
    """Files in the temporary folder, but for its lock."""
    return {path.name for path in served.studio.pictures.folder.iterdir()} - {"lock"}


def test_an_empty_body_is_refused(shared):
    status, code, message = error_of(shared.client.post("/api/images"))
    assert (status, code) == (400, "empty")
    assert "send a picture file's bytes" in message


@pytest.mark.parametrize(
    "content",
    [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x00" * 100, picture()[:-60]],
    ids=["text", "svg", "zeros", "cut off"],
)
def test_what_is_no_whole_picture_is_refused_and_not_kept(served, content):
    status, code, message = error_of(served.client.post("/api/images", content=content))
    assert (status, code) == (415, "no_picture")
    assert "the picture (" in message
    assert spooled(served) == set()


def test_too_many_pixels_are_told_from_the_header(serve):
    client = serve(pixels=1000).client
    for content in (picture(size=(41, 25)), picture(size=(41, 25), kind="GIF")):
        status, code, message = error_of(client.post("/api/images", content=content))
        assert (status, code) == (413, "too_many_pixels")
        assert "41 x 25 = 1025 pixels; at most 1000" in message
    assert client.post("/api/images", content=picture(size=(40, 25))).status_code == 201


def test_a_picture_that_unpacks_to_gigabytes_is_refused_before_that(shared):
    buffer = BytesIO()
    Image.new("1", (15000, 10000)).save(buffer, "TIFF", compression="group4")
    status, code, _ = error_of(shared.client.post("/api/images", content=buffer.getvalue()))
    assert (status, code) == (413, "too_many_pixels")


@pytest.mark.parametrize("chunked", [False, True])
def test_too_many_bytes_are_refused_however_they_come(serve, chunked):
    served = serve(upload_bytes=100_000)
    content = b"\x00" * 3_000_000
    body = iter([content[at : at + 50_000] for at in range(0, len(content), 50_000)])
    answer = served.client.post("/api/images", content=body if chunked else content)
    status, code, message = error_of(answer)
    assert (status, code) == (413, "too_many_bytes")
    assert "at most 100000" in message
    assert spooled(served) == set()
    assert served.client.post("/api/images", content=picture()).status_code == 201


def test_json_bodies_are_bounded_too(serve):
    served = serve(json_bytes=1000)
    image_id = served.upload(picture())["id"]
    for address in (f"/api/images/{image_id}/masks", f"/api/images/{image_id}/everything"):
        for content in (b" " * 2000, iter([b" " * 600] * 4)):
            answer = served.client.post(
                address, content=content, headers={"Content-Type": "application/json"}
            )
            assert error_of(answer)[:2] == (413, "too_many_bytes")


def test_large_files_go_through_the_temporary_folder_and_leave_with_the_server(serve):
    served = serve()
    content = picture(size=(1000, 800), kind="BMP")
    assert len(content) > 1 << 20
    first, second = (served.upload(content) for _ in range(2))
    assert first == {**second, "state": first["state"]}
    assert spooled(served) == {first["id"]}
    shown = served.client.get(f"/api/images/{first['id']}/picture").content
    assert Image.open(BytesIO(shown)).size == (1000, 800)


def test_the_temporary_folder_leaves_with_the_server(tmp_path):
    from models import tiny_model
    from servers import running

    with running(tiny_model(), tmp_path) as (studio, port), client_for(port) as client:
        client.post("/api/images", content=picture(size=(1000, 800), kind="BMP"))
        folder = studio.pictures.folder
        assert folder.is_dir()
    assert not folder.exists()


def open_upload(port: int, *lines: str) -> socket.socket:
    """A connection on which a picture was announced."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = ["POST /api/images HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines, "", ""]
    connection.sendall("\r\n".join(head).encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[bytes, dict]:
    """Status line and JSON of an answer."""
    received = b""
    while b"\r\n\r\n" not in received or not received.rstrip().endswith(b"}"):
        part = connection.recv(65536)
        if not part:
            break
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)


def test_an_upload_that_stops_is_given_up_and_blocks_nobody(serve):
    served = serve(idle_seconds=0.3, uploads=3)
    stopped = [open_upload(served.port, "Content-Length: 5000") for _ in range(2)]
    for connection in stopped:
        connection.sendall(b"x" * 100)
    assert served.upload(picture())["width"] == 60, "in the middle of the others"
    for connection in stopped:
        status, body = answer_of(connection)
        assert b"408" in status
        assert body["error"]["code"] == "too_slow"
        assert "after 100 bytes" in body["error"]["message"]
        connection.close()


def test_an_upload_that_only_trickles_is_given_up(serve):
    served = serve(grace_seconds=0.2, least_bytes_per_second=10_000)
    connection = open_upload(served.port, "Content-Length: 5000")
    pause = threading.Event()

    def trickle() -> bool:
        pause.wait(0.02)
        try:
            connection.sendall(b"x")
        except OSError:
            return True
        connection.setblocking(False)
        try:
            return bool(connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            connection.setblocking(True)

    until(trickle)
    status, _ = answer_of(connection)
    connection.close()
    assert b"408" in status


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(serve):
    served = serve(uploads=1)
    for _ in range(3):
        connection = open_upload(served.port, "Content-Length: 9000000")
        connection.sendall(b"x" * 3_000_000)
        until(lambda: spooled(served))
        connection.close()
        until(lambda: not spooled(served))
    assert served.upload(picture())["height"] == 40


def test_a_header_that_does_not_end_closes_the_connection(serve):
    served = serve(header_seconds=0.2)
    for beginning in (b"", b"GET /api/about HTTP/1.1\r\nHost: "):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(beginning)
            assert connection.recv(100) == b""
    assert served.client.get("/api/about").status_code == 200


def test_a_client_that_asks_first_is_refused_without_sending(serve):
    served = serve(upload_bytes=1000)
    lines = ("Content-Length: 5000", "Expect: 100-continue")
    with open_upload(served.port, *lines) as connection:
        status, body = answer_of(connection)
    assert b"413" in status
    assert body["error"]["code"] == "too_many_bytes"


def test_a_full_queue_asks_to_come_back_later(serve):
    served = serve(encode_queue=2)
    served.backend.may_encode.clear()
    served.upload(picture(0))
    assert served.backend.encoding.wait(10)
    served.upload(picture(1))
    served.upload(picture(2))
    answer = served.client.post("/api/images", content=picture(3))
    status, code, message = error_of(answer)
    assert (status, code) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    assert "2 pictures wait" in message
    served.backend.may_encode.set()
    until(lambda: served.backend.encoded_count == 3)
    assert served.upload(picture(3))["state"] in {"queued", "encoding", "ready"}


def test_a_flood_of_uploads_is_answered_and_bounded(serve):
    room = 4 * 8192
    served = serve(
        upload_bytes=40_000, uploads=4, encode_queue=3,
        embedding_memory_bytes=room, picture_memory_bytes=20_000, picture_disk_bytes=100_000,
    )  # fmt: skip

    def send(number: int) -> int:
        content = picture(number, size=(50 + number, 40)) if number % 5 else b"\x00" * 90_000
        with client_for(served.port) as client:
            answer = client.post("/api/images", content=content)
        assert answer.status_code != 429 or int(answer.headers["retry-after"]) >= 1
        return answer.status_code

    with ThreadPoolExecutor(16) as senders:
        statuses = list(senders.map(send, range(120)))
    assert set(statuses) == {201, 413, 429}
    assert statuses.count(413) == 24
    assert served.studio.embeddings.memory_bytes <= room
    assert served.studio.pictures.memory_bytes <= 20_000
    assert served.studio.pictures.disk_bytes <= 100_000
    assert sum(path.stat().st_size for path in served.studio.pictures.folder.iterdir()) <= 100_000
    assert served.client.get("/api/about").status_code == 200


def test_fifty_open_pictures_keep_few_embeddings_alive(serve):
    served = serve(embedding_memory_bytes=5 * 8192)
    ids = set()
    for seed in range(50):
        image_id = served.upload(picture(seed, size=(61, 41)))["id"]
        ids.add(image_id)
        body = {"prompts": [{"points": [[9, 9]]}]}
        assert served.client.post(f"/api/images/{image_id}/masks", json=body).status_code == 200
    gc.collect()
    alive = [one for one in gc.get_objects() if type(one) is EncodedImage]
    arrays = {id(one.embedding) for one in alive if one.image_sha256 in ids}
    assert len(ids) == 50
    assert len(arrays) <= 5 + 4, "those in memory, and those being prompted"
    assert served.studio.embeddings.memory_bytes <= 5 * 8192


def test_an_evicted_embedding_is_made_again_when_it_is_asked_for(serve):
    served = serve(embedding_memory_bytes=8192, embedding_disk_bytes=0)
    first = served.upload(picture(1))["id"]
    before = served.embedding(first, dtype="float32").content
    second = served.upload(picture(2))["id"]
    assert served.embedding(second).status_code == 200
    assert served.embedding(first, dtype="float32").content == before
    assert served.backend.encoded_count == 3
    assert served.wait_for(f"/api/images/{second}", {"ready"})


def test_a_forgotten_picture_is_not_found_and_can_be_sent_again(serve):
    served = serve(picture_memory_bytes=0, picture_disk_bytes=20_000)
    first = served.upload(picture(1))["id"]
    served.upload(picture(2))
    served.upload(picture(3))
    assert error_of(served.client.get(f"/api/images/{first}"))[:2] == (404, "image_unknown")
    assert served.upload(picture(1))["id"] == first


def test_work_for_requests_is_bounded(serve):
    served = serve(decode_queue=2)
    image_id = served.upload(picture())["id"]
    busy, free = threading.Event(), threading.Event()
    for _ in range(2):
        served.studio.work(lambda: (busy.set(), free.wait(30)))
    assert busy.wait(10)
    answer = served.client.get(f"/api/images/{image_id}/picture")
    free.set()
    assert error_of(answer)[:2] == (429, "busy")
    assert answer.headers["retry-after"] == "1"


def test_a_bug_is_logged_and_its_details_stay_inside(served, caplog, monkeypatch):
    image_id = served.upload(picture())["id"]

    def broken(*_: object) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(served.studio, "rgb", broken)
    answer: httpx.Response = served.client.get(f"/api/images/{image_id}/picture")
    assert error_of(answer)[:2] == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    until(lambda: "secret detail" in caplog.text)  # the answer comes first
