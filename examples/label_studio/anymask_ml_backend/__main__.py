"""`python -m anymask_ml_backend`: serve until stopped."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os

import uvicorn

from anymask import load_model

from .app import create_app
from .settings import Settings


def main() -> None:
    """Read settings, load the model, serve."""
    parser = argparse.ArgumentParser(prog="anymask_ml_backend", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--model", default="vit_t", help="see `anymask models`")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    try:
        settings = Settings.from_environment(os.environ)
    except ValueError as error:
        parser.error(str(error))
    if not settings.user and not _is_loopback(options.host):
        parser.error(
            f"beyond this machine ({options.host}) set BASIC_AUTH_USER and BASIC_AUTH_PASS, and "
            "enter them in Label Studio where the model is connected"
        )
    app = create_app(load_model(options.model), settings)
    uvicorn.run(app, host=options.host, port=options.port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
