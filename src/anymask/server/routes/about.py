"""``/api/about``: what this server is, what it takes, what the page needs."""

from __future__ import annotations

from fastapi import APIRouter, Request

from anymask.server import schemas
from anymask.server.decoder_files import DECODER_SCHEMA
from anymask.server.dependencies import StudioOf, errors
from anymask.server.samples import SAMPLES
from anymask.server.studio import Studio
from anymask.version import __version__

router = APIRouter(prefix="/api", tags=["about"])


@router.get("/about", responses=errors())
async def about(request: Request, studio: StudioOf) -> schemas.About:
    """What this server is."""
    backend = studio.model.backend
    return schemas.About(
        version=__version__,
        model=schemas.ModelAbout(
            id=studio.model.model_id,
            architecture=studio.model.architecture,
            engine=backend.name,
            device=backend.device,
            canvas_px=backend.canvas_px,
        ),
        pair_id=studio.decoder.pair_id,
        token_required=bool(request.app.state.token_required),
        limits=schemas.LimitsAbout(
            upload_bytes=studio.limits.upload_bytes, pixels=studio.limits.pixels
        ),
        decoder=_decoder(studio),
        samples=[
            schemas.Sample(
                name=name,
                title=photo.title,
                url=f"/api/samples/{name}",
                width=photo.width,
                height=photo.height,
            )
            for name, photo in SAMPLES.items()
        ],
    )


def _decoder(studio: Studio) -> schemas.DecoderAbout:
    pair_id = studio.decoder.pair_id
    files = {
        name: schemas.DecoderFile(
            url=f"/api/decoder/{pair_id}/{name}.onnx",
            bytes=len(content),
            sha256=studio.decoder_sha256[name],
        )
        for name, content in studio.decoder.files.items()
    }
    return schemas.DecoderAbout(schema=DECODER_SCHEMA, pair_id=pair_id, files=files)
