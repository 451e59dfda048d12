"""``/``: the page, where it was built; else how to build it."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from anymask.server.headers import IMMUTABLE

STATIC = Path(__file__).parents[1] / "static"

_NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>anymask</title></head>
<body>
<h1>The page is not built</h1>
<p>The server runs, but this checkout has no page yet. Build it with <code>make web</code>
(needs Node.js), then reload.</p>
<p>The interface for programs works without it: <a href="/openapi.json">/openapi.json</a>,
<a href="/api/about">/api/about</a>.</p>
</body>
</html>
"""


class Page(StaticFiles):
    """The built page's files; names of assets hold a hash of their content."""

    def __init__(self, folder: Path = STATIC) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)

    async def check_config(self) -> None:
        """A folder that is not there is no fault: the page may be built later."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if path == "." and error.status_code == 404:
                return HTMLResponse(_NOT_BUILT)
            raise
        is_asset = path.startswith("assets/") and response.status_code in (200, 304)
        response.headers["Cache-Control"] = IMMUTABLE if is_asset else "no-cache"
        return response
