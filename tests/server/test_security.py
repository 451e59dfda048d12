from __future__ import annotations

import json
import socket

import pytest

from anymask.server.security import Access, is_loopback
from servers import client_for, error_of, picture

TOKEN = "a-token-of-some-length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def locked(serve):
    return serve(access=Access("127.0.0.1", TOKEN), client={"headers": BEARER})


def addresses(image_id: str) -> list[tuple[str, str]]:
    return [
        ("POST", "/api/images"),
        ("GET", f"/api/images/{image_id}"),
        ("GET", f"/api/images/{image_id}/embedding"),
        ("GET", f"/api/images/{image_id}/picture"),
        ("DELETE", f"/api/images/{image_id}"),
        ("POST", f"/api/images/{image_id}/masks"),
        ("POST", f"/api/images/{image_id}/everything"),
        ("GET", f"/api/jobs/{'0' * 32}"),
        ("GET", f"/api/jobs/{'0' * 32}/events"),
        ("GET", f"/api/jobs/{'0' * 32}/result"),
        ("DELETE", f"/api/jobs/{'0' * 32}"),
        ("GET", "/api/anything"),
    ]


def test_without_the_token_nothing_of_the_user_is_there(locked):
    image_id = locked.upload(picture())["id"]
    with client_for(locked.port) as stranger:
        for method, address in addresses(image_id):
            for header in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):
                headers = {} if header is None else {"Authorization": header}
                answer = stranger.request(method, address, headers=headers)
                assert error_of(answer)[:2] == (401, "token_needed"), (method, address, header)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert TOKEN not in answer.text
        query = {"token": TOKEN}
        assert stranger.get(f"/api/images/{image_id}", params=query).status_code == 401
    assert locked.client.get(f"/api/images/{image_id}").status_code == 200


def test_what_the_page_needs_to_begin_is_there_without_the_token(locked):
    with client_for(locked.port) as stranger:
        about = stranger.get("/api/about").json()
        assert about["token_required"] is True
        for file in about["decoder"]["files"].values():
            assert stranger.get(file["url"]).status_code == 200
        for sample in about["samples"]:
            assert stranger.get(sample["url"]).status_code == 200
        assert stranger.get("/").status_code == 200
        assert stranger.get("/openapi.json").status_code == 200
        for detour in ("/api/about/../images", "/api/decoder/..%2f..%2fapi%2fimages/x"):
            assert stranger.get(detour).status_code in (401, 404)


def test_a_large_upload_without_the_token_gets_its_answer(locked):
    with client_for(locked.port) as stranger:
        answer = stranger.post("/api/images", content=b"x" * 5_000_000)
    assert error_of(answer)[:2] == (401, "token_needed")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", "", "a b"]
)
def test_a_name_that_is_not_this_server_s_is_refused(shared, host):
    answer = shared.client.get("/api/about", headers={"Host": host})
    if host:
        status, code, message = error_of(answer)
        assert (status, code) == (403, "host_refused")
        assert host in message
    else:
        assert answer.status_code in (400, 403)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:7", "127.1.2.3"]
)
def test_names_of_this_machine_are_good(shared, host):
    assert shared.client.get("/api/about", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "file://",
        "http://[",
    ],
)
def test_pages_from_elsewhere_are_refused(shared, origin):
    for method, address in (("POST", "/api/images"), ("GET", "/api/about"), ("OPTIONS", "/")):
        answer = shared.client.request(
            method, address, content=picture(), headers={"Origin": origin}
        )
        status, code, message = error_of(answer)
        assert (status, code) == (403, "origin_refused")
        assert repr(origin) in message
        assert "access-control-allow-origin" not in answer.headers


def test_requests_that_a_browser_calls_foreign_are_refused(shared):
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = shared.client.post("/api/images", content=picture(), headers=headers)
    assert error_of(answer)[:2] == (403, "origin_refused")
    assert shared.client.get("/", headers=headers).status_code == 200, "a link may lead here"


def test_the_own_page_and_programs_may_ask(shared):
    own = {"Origin": f"http://127.0.0.1:{shared.port}"}
    assert shared.client.post("/api/images", content=picture(), headers=own).status_code == 201
    assert shared.client.post("/api/images", content=picture()).status_code == 201


def test_an_allowed_page_may_ask_and_no_other(serve):
    friend = "https://friend.example"
    served = serve(access=Access("127.0.0.1", TOKEN, (friend,)))
    preflight = {
        "Origin": friend,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = served.client.options("/api/images", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == friend
    headers = {"Origin": friend, **BEARER}
    answer = served.client.post("/api/images", content=picture(), headers=headers)
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == friend
    other = served.client.options("/api/images", headers={**preflight, "Origin": "https://e.vil"})
    assert other.status_code == 403


def test_every_answer_carries_the_headers_that_protect_the_page(serve):
    served = serve(upload_bytes=100)
    answers = [
        served.client.get("/"),
        served.client.get("/api/about"),
        served.client.get("/api/nothing"),
        served.client.get("/api/about", headers={"Host": "evil.example"}),
        served.client.post("/api/images", content=b"x" * 200),
        served.client.get("/api/samples/coffee.jpg"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "'wasm-unsafe-eval'" in policy
        assert "unsafe-inline" not in policy
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "raw", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00"]
)
def test_what_is_no_http_ends_the_connection_alone(shared, raw):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(raw + b"\r\n" * 2)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 "))
    assert b"nosniff" in head
    assert json.loads(body)["error"]["code"] in {"bad_request", "host_refused"}
    assert shared.client.get("/api/about").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_what_others_can_reach_is_known(host):
    assert not is_loopback(host)


def test_beyond_loopback_addresses_and_given_names_are_good_and_others_are_not():
    access = Access("0.0.0.0", TOKEN, hosts=("Studio.example",))
    good = ("192.168.1.5:8000", "[fe80::1]:8000", "studio.example", "localhost", "0.0.0.0:80")
    assert all(access.allows_host(host) for host in good)
    assert access.allows_host(socket.gethostname())
    bad = ("evil.example", "studio.example.evil", "user@192.168.1.5", "1.2.3.4:x", "1.2.3.4/a", "")
    assert not any(access.allows_host(host) for host in bad)
