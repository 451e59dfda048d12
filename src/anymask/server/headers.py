"""Headers that every response carries, and the answers that need no body."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fastapi import Request
from fastapi.responses import Response

CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
)
"""Cross-origin isolation lets the page use threads; nothing from elsewhere may run."""

IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "private, no-cache"


def unchanged(request: Request, etag: str, cache_control: str) -> Response | None:
    """The answer 304 when the client has this version already, else None."""
    known = request.headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if etag not in tags:
        return None
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": cache_control})
