"""``/api/samples``: photos to try things on."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anymask.server.decoder_files import sha256
from anymask.server.dependencies import binary, errors
from anymask.server.errors import ApiError
from anymask.server.headers import REVALIDATE, unchanged
from anymask.server.samples import SAMPLES, sample_bytes

router = APIRouter(prefix="/api/samples", tags=["samples"])


@router.get("/{name}", response_class=Response, responses=binary("image/jpeg") | errors(404, 422))
def sample(name: str, request: Request) -> Response:
    """One of the photos that `about` lists."""
    if name not in SAMPLES:
        known = ", ".join(SAMPLES)
        raise ApiError(404, "sample_unknown", f"there is no sample {name[:60]!r}; there is {known}")
    content = sample_bytes(name)
    etag = f'"{sha256(content)[:32]}"'
    return unchanged(request, etag, REVALIDATE) or Response(
        content, media_type="image/jpeg", headers={"ETag": etag, "Cache-Control": REVALIDATE}
    )
