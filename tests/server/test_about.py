from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from anymask.server.openapi import openapi_text
from anymask.server.samples import FOLDER, SAMPLES
from anymask.version import __version__
from conftest import REPOSITORY
from servers import error_of


def test_about_tells_what_the_page_needs(shared):
    about = shared.client.get("/api/about").json()
    assert about["version"] == __version__
    assert about["model"] == {
        "id": "tiny@test",
        "architecture": "tiny",
        "engine": "torch",
        "device": "cpu",
        "canvas_px": 128,
    }
    assert about["token_required"] is False
    assert about["limits"] == {"upload_bytes": 100_000_000, "pixels": 1 << 27}
    assert about["decoder"]["schema"] == "anymask.decoder/1"
    assert about["decoder"]["pair_id"] == about["pair_id"] == "pair-1"


def test_decoder_files_are_what_about_says_and_never_change(shared):
    files = shared.client.get("/api/about").json()["decoder"]["files"]
    assert set(files) == {"image", "prompt", "preview"}
    for file in files.values():
        response = shared.client.get(file["url"])
        assert len(response.content) == file["bytes"]
        assert hashlib.sha256(response.content).hexdigest() == file["sha256"]
        assert "immutable" in response.headers["cache-control"]
        known = {"If-None-Match": response.headers["etag"]}
        again = shared.client.get(file["url"], headers=known)
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("address", ["pair-0/image.onnx", "pair-1/encoder.onnx"])
def test_another_decoder_is_refused_by_name(shared, address):
    status, code, message = error_of(shared.client.get(f"/api/decoder/{address}"))
    assert (status, code) == (404, "decoder_unknown")
    assert "image, prompt, preview of 'pair-1'" in message


def test_samples_are_small_pictures_of_the_size_they_say(shared):
    samples = shared.client.get("/api/about").json()["samples"]
    assert [one["name"] for one in samples] == list(SAMPLES)
    assert {path.name for path in FOLDER.iterdir()} == set(SAMPLES)
    for one in samples:
        response = shared.client.get(one["url"])
        assert response.headers["content-type"] == "image/jpeg"
        assert len(response.content) < 150_000
        assert Image.open(BytesIO(response.content)).size == (one["width"], one["height"])
        known = {"If-None-Match": response.headers["etag"]}
        assert shared.client.get(one["url"], headers=known).status_code == 304


def test_only_listed_samples_are_served(shared):
    for name in ("secret.jpg", "..%2fsamples.py", "%2e%2e", "astronaut.jpg%00"):
        status, code, _ = error_of(shared.client.get(f"/api/samples/{name}"))
        assert (status, code) in {(404, "sample_unknown"), (404, "not_found")}


def test_without_a_built_page_the_address_says_how_to_build_it(shared):
    response = shared.client.get("/")
    assert response.status_code == 200
    assert "make web" in response.text


def test_the_built_page_is_served_and_its_assets_are_kept_by_browsers(serve, tmp_path):
    page = tmp_path / "static"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<p>the page</p>")
    (page / "assets" / "main-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    client = serve(static=page).client
    assert client.get("/").text == "<p>the page</p>"
    assert client.get("/").headers["cache-control"] == "no-cache"
    assert "immutable" in client.get("/assets/main-1a2b.js").headers["cache-control"]
    for outside in ("/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/%2e%2e/secret.txt"):
        assert error_of(client.get(outside))[:2] == (404, "not_found")


def test_unknown_addresses_answer_in_the_shape_of_errors(shared):
    assert error_of(shared.client.get("/api/nothing"))[:2] == (404, "not_found")
    status, code, message = error_of(shared.client.put("/api/about"))
    assert (status, code) == (405, "method_not_allowed")
    assert "PUT '/api/about'" in message


def test_the_committed_description_is_current(shared):
    committed = (REPOSITORY / "contracts" / "openapi.json").read_text()
    assert committed == openapi_text(), (
        "run: python -m anymask.server.openapi > contracts/openapi.json"
    )
    assert shared.client.get("/openapi.json").json() == json.loads(committed)


def test_every_address_of_the_description_models_its_answers_and_errors():
    description = json.loads(openapi_text())
    for address, methods in description["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            named = f"{method} {address}"
            good = [answers[status] for status in answers if status.startswith("2")]
            assert len(good) == 1, named
            assert "content" in good[0] or "204" in answers, named
            assert all("schema" in kind for kind in good[0].get("content", {}).values()), named
            errors = {status: answers[status] for status in answers if status[0] in "45"}
            assert {"401", "403", "500"} <= set(errors), named
            for status, answer in errors.items():
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, f"{named} {status}"


def test_the_description_is_printed_by_a_module():
    source = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "anymask.server.openapi"],
        capture_output=True,
        text=True,
        check=True,
        env=source,
        cwd=Path.cwd(),
    )
    assert done.stdout == openapi_text()
