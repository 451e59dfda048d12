"""``/api/decoder``: the graphs that the page decodes with."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anymask.server.dependencies import StudioOf, binary, errors
from anymask.server.errors import ApiError
from anymask.server.headers import IMMUTABLE, unchanged

router = APIRouter(prefix="/api/decoder", tags=["decoder"])


@router.get(
    "/{pair_id}/{name}.onnx",
    response_class=Response,
    responses=binary("application/octet-stream") | errors(404, 422),
)
async def decoder_file(pair_id: str, name: str, request: Request, studio: StudioOf) -> Response:
    """One ONNX graph; it never changes under its address."""
    content = studio.decoder.files.get(name)
    if pair_id != studio.decoder.pair_id or content is None:
        raise ApiError(
            404,
            "decoder_unknown",
            f"there is no graph {name[:60]!r} of {pair_id[:60]!r}; this server has "
            f"{', '.join(studio.decoder.files)} of {studio.decoder.pair_id!r}",
        )
    etag = f'"{studio.decoder_sha256[name]}"'
    return unchanged(request, etag, IMMUTABLE) or Response(
        content,
        media_type="application/octet-stream",
        headers={"ETag": etag, "Cache-Control": IMMUTABLE},
    )
