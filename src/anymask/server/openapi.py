"""The description of the HTTP interface: ``python -m anymask.server.openapi > openapi.json``."""

from __future__ import annotations

import json
import sys

from anymask.server.app import create_app


def openapi_text() -> str:
    """OpenAPI as JSON, the content of contracts/openapi.json."""
    return json.dumps(create_app(None).openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
