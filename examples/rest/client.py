"""Ask the Studio's server (`anymask serve`) for masks, with nothing but Python's standard library.

python client.py photo.jpg --point 300,190 --out masks
python client.py photo.jpg --box 325,225,410,330 --out masks
python client.py photo.jpg --everything --out masks
python client.py photo.jpg --embedding --out masks
"""

from __future__ import annotations

import argparse
import array
import json
import struct
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

Json = dict[str, Any]
MAGIC = b"ANYMASK1"
LAST_EVENTS = ("done", "failed", "cancelled")
MOST_RETRIES = 5


class ServerError(Exception):
    """What the server refused.

    Args:
        status: of HTTP; 0 where no server answered.
        code: the kind of error, for programs.
        message: one line for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Mask:
    """A mask at the picture's size.

    Attributes:
        width: in pixels.
        height: in pixels.
        bits: one byte a pixel, 0 or 1, row after row.
    """

    width: int
    height: int
    bits: bytes

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any]) -> Mask:
        """Of a COCO run-length code: ``size`` [height, width] and ``counts``, compressed text.

        Raises:
            ValueError: a code that does not fill its size.
        """
        height, width = rle["size"]
        columns = bytearray()
        for number, count in enumerate(rle_counts(rle["counts"])):
            if count < 0 or len(columns) + count > width * height:
                raise ValueError("the run-length code is longer than its size")
            columns += (b"\1" if number % 2 else b"\0") * count
        if len(columns) != width * height:
            raise ValueError("the run-length code is shorter than its size")
        # runs go down the columns; a row is every height-th value
        return cls(width, height, b"".join(bytes(columns[y::height]) for y in range(height)))

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return sum(self.bits)

    def png(self) -> bytes:
        """As the bytes of a grey PNG: 255 where the mask is."""
        grey = self.bits.translate(b"\0\xff" + bytes(range(2, 256)))
        starts = range(0, len(grey), self.width)
        # each row begins with its filter: 0, none
        rows = b"".join(b"\0" + grey[start : start + self.width] for start in starts)
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 0, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


@dataclass(frozen=True)
class Embedding:
    """What the encoder made of a picture.

    Attributes:
        header: dtype, shape, size_hw, canvas_px, pair_id, image.
        numbers: as many as the shape says, the last axis running fastest.
    """

    header: Json
    numbers: array.array[float]

    @classmethod
    def parse(cls, content: bytes) -> Embedding:
        """Of the file the server sends: magic bytes, length, JSON header, little-endian numbers.

        Raises:
            ValueError: another file, or one that is cut off.
        """
        if content[:8] != MAGIC:
            raise ValueError(f"the file begins with {content[:8]!r}; an embedding with {MAGIC!r}")
        (length,) = struct.unpack_from("<I", content, 8)
        header = json.loads(content[12 : 12 + length])
        numbers = content[12 + length :]
        channels, height, width = header["shape"]
        code = {"float16": "e", "float32": "f"}[header["dtype"]]
        layout = struct.Struct(f"<{channels * height * width}{code}")
        if len(numbers) != layout.size:
            raise ValueError(f"the file has {len(numbers)} bytes of numbers, not {layout.size}")
        return cls(header, array.array("f", layout.unpack(numbers)))


class Client:
    """Talks with one server.

    Args:
        url: its address, such as "http://127.0.0.1:8000".
        token: the one it printed; needed only where it listens beyond its machine.
        timeout_seconds: for an answer to begin or go on.
    """

    def __init__(self, url: str, *, token: str = "", timeout_seconds: float = 120.0) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"url is {url!r}; give one with http:// or https://")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_seconds = timeout_seconds
        # a proxy would not find a server on this machine
        is_local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        self._opener = build_opener(*([ProxyHandler({})] if is_local else []))

    def about(self) -> Json:
        """Which model and which limits the server has."""
        return self._json("GET", "/api/about")

    def upload(self, picture: bytes) -> Json:
        """Send a picture file's bytes; encoding begins at once.

        Returns:
            id, width, height, state.
        """
        return self._json("POST", "/api/images", picture, "application/octet-stream")

    def image(self, image_id: str) -> Json:
        """Where a picture stands: queued, encoding, ready or failed."""
        return self._json("GET", f"/api/images/{image_id}")

    def masks(
        self, image_id: str, prompts: Sequence[Json], *, multimask: bool | None = None
    ) -> list[Json]:
        """Masks for prompts; waits until the picture is encoded.

        Args:
            image_id: of an uploaded picture.
            prompts: each an object as ``{"points": [[x, y]], "labels": [1], "box": [x0, y0, x1,
                y1]}`` in pixels, with any of these keys.
            multimask: three candidates a prompt (True), or one (False); None gives three for
                exactly one point.

        Returns:
            prompt, candidate, segmentation, bbox, area, predicted_iou, stability_score of each;
            a prompt's best candidate comes first.
        """
        body = json.dumps({"prompts": list(prompts), "multimask": multimask}).encode()
        masks: list[Json] = self._json("POST", f"/api/images/{image_id}/masks", body)["masks"]
        return masks

    def embedding(self, image_id: str, dtype: str = "float16") -> Embedding:
        """What the encoder made of a picture; waits until it is there."""
        path = f"/api/images/{image_id}/embedding?dtype={dtype}"
        with self._open("GET", path) as response:
            return Embedding.parse(response.read())

    def forget(self, image_id: str) -> None:
        """Delete a picture on the server."""
        self._open("DELETE", f"/api/images/{image_id}").close()

    def everything(self, image_id: str, **settings: float | str) -> str:
        """Begin to look for all objects.

        Args:
            image_id: of an uploaded picture.
            settings: such as ``preset="fast"`` or ``points_per_side=16``.

        Returns:
            The job's id, for `events`, `result` and `cancel`.
        """
        body = json.dumps(settings).encode()
        job: str = self._json("POST", f"/api/images/{image_id}/everything", body)["id"]
        return job

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        """What happens to a job, as it happens: progress, at last done, failed or cancelled.

        A connection that breaks is made again; the server then tells how far the job is.
        """
        for _ in range(MOST_RETRIES):
            try:
                with self._open("GET", f"/api/jobs/{job_id}/events") as response:
                    for name, data in server_sent_events(response):
                        yield name, data
                        if name in LAST_EVENTS:
                            return
            except (HTTPException, OSError):
                time.sleep(1)
        raise ServerError(0, "disconnected", f"the server stopped telling about job {job_id}")

    def job(self, job_id: str) -> Json:
        """How far a job is."""
        return self._json("GET", f"/api/jobs/{job_id}")

    def result(self, job_id: str) -> list[Json]:
        """What a job found: records as SA-1B has them."""
        records: list[Json] = self._json("GET", f"/api/jobs/{job_id}/result")["records"]
        return records

    def cancel(self, job_id: str) -> None:
        """End a job."""
        self._open("DELETE", f"/api/jobs/{job_id}").close()

    def _json(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Json:
        with self._open(method, path, body, kind) as response:
            answer: Json = json.load(response)
            return answer

    def _open(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> HTTPResponse:
        """The answer, asked for again when the server was too busy."""
        headers = self._headers | ({} if body is None else {"Content-Type": kind})
        request = Request(self._url + path, body, headers, method=method)  # noqa: S310 - checked
        for retries_left in reversed(range(MOST_RETRIES)):
            try:
                response: HTTPResponse = self._opener.open(request, timeout=self._timeout_seconds)
                return response
            except HTTPError as error:
                with error:
                    if error.code != 429 or not retries_left:
                        raise _server_error(error) from error
                    time.sleep(min(float(error.headers.get("Retry-After") or 1), 60))
            except URLError as error:
                message = f"no server answers at {self._url}: {error.reason}"
                raise ServerError(0, "unreachable", message) from error
        raise AssertionError("the last retry returns or raises")


def server_sent_events(lines: Iterable[bytes]) -> Iterator[tuple[str, Json]]:
    """The events of a stream: each a name and JSON, ended by an empty line; comments left out."""
    name, data = "message", ""
    for line in lines:
        field, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data += value
        elif not field and not value and data:
            yield name, json.loads(data)
            name, data = "message", ""


def rle_counts(text: str) -> list[int]:
    """The run lengths of a COCO run-length code's compressed text.

    Each is written in base 32, the lowest digit first, and from the fourth on as the difference to
    the one two before. A digit has five bits, a bit that says whether more follow, plus 48.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text.encode("ascii"):
        digit = character - 48
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _server_error(error: HTTPError) -> ServerError:
    try:
        told = json.loads(error.read())["error"]
        return ServerError(error.code, told["code"], told["message"])
    except (ValueError, KeyError, TypeError):
        return ServerError(error.code, "unknown", f"the server answered {error.code}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; 0 when it was done."""
    options = _parser().parse_args(arguments)
    try:
        client = Client(options.url, token=options.token)
        options.out.mkdir(parents=True, exist_ok=True)
        image = client.upload(options.picture.read_bytes())
        print(f"{options.picture}: {image['width']} x {image['height']} pixels, {image['id']}")
        for name, mask in _answers(client, image["id"], options):
            path = options.out / f"{options.picture.stem}_{name}.png"
            path.write_bytes(Mask.from_rle(mask["segmentation"]).png())
            print(f"{path}: {mask['area']} pixels, predicted IoU {mask['predicted_iou']}")
    except (ServerError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _answers(
    client: Client, image_id: str, options: argparse.Namespace
) -> Iterator[tuple[str, Json]]:
    """Each mask asked for, with a name for its file."""
    if options.embedding:
        path = options.out / f"{options.picture.stem}_embedding.f32"
        embedding = client.embedding(image_id, "float32")
        path.write_bytes(embedding.numbers.tobytes())
        print(f"{path}: {embedding.header}")
    if options.everything:
        for number, record in enumerate(_everything(client, image_id)):
            yield f"{number:04}", record
    prompt = {"points": options.point, "labels": options.label, "box": options.box}
    if options.point or options.box:
        prompt = {key: value for key, value in prompt.items() if value}
        for mask in client.masks(image_id, [prompt]):
            yield f"mask{mask['candidate']}", mask


def _everything(client: Client, image_id: str) -> list[Json]:
    job = client.everything(image_id, preset="fast")
    for name, data in client.events(job):
        if name == "progress":
            print(f"{data['done']} of {data['total']} points", file=sys.stderr)
        elif name != "done":
            raise ServerError(0, name, f"the job ended with {name}: {data.get('error', '')}")
    return client.result(job)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Masks from the Studio's server.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", default="", help="the one the server printed, if any")
    parser.add_argument(
        "--point", type=_numbers(2), action="append", default=[], metavar="X,Y", help="in pixels"
    )
    parser.add_argument(
        "--label", type=int, action="append", default=[], choices=(0, 1), help="one a point"
    )
    parser.add_argument("--box", type=_numbers(4), metavar="X0,Y0,X1,Y1")
    parser.add_argument("--everything", action="store_true", help="all objects")
    parser.add_argument("--embedding", action="store_true", help="the encoder's numbers, float32")
    parser.add_argument("--out", type=Path, default=Path("masks"))
    return parser


def _numbers(count: int) -> Any:
    def parse(text: str) -> list[float]:
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) != count:
            raise argparse.ArgumentTypeError(f"{text!r} must be {count} numbers, as 300,190")
        return numbers

    return parse


if __name__ == "__main__":
    raise SystemExit(main())
