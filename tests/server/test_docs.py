from __future__ import annotations

import re

from conftest import REPOSITORY
from servers import picture

PAGE = (REPOSITORY / "docs/server.md").read_text()


def test_the_example_for_programs_runs(served, tmp_path, monkeypatch, capsys):
    (tmp_path / "photo.jpg").write_bytes(picture(size=(80, 60)))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    address = f"http://127.0.0.1:{served.port}"
    names: dict = {}
    exec(code.replace("http://127.0.0.1:8000", address), names)
    assert isinstance(names["records"], list)
    assert "event: done" in capsys.readouterr().out


def test_every_address_is_documented(shared):
    for path in shared.client.get("/openapi.json").json()["paths"]:
        if path.startswith(("/api/samples", "/api/jobs")):
            continue
        words = re.sub(r"\{pair_id\}", "PAIR", re.sub(r"\{image_id\}", "ID", path))
        assert words.replace("{name}", "NAME") in PAGE, path
