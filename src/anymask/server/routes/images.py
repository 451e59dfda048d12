"""``/api/images``: pictures in; embeddings, pixels and masks out."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from anymask.inference.encoded import EncodedImage
from anymask.io.files import FAST_PNG
from anymask.server import schemas
from anymask.server.answers import masks_json, prompt_mask
from anymask.server.dependencies import ImageId, StudioOf, binary, errors, outcome
from anymask.server.errors import WORK_ERRORS, ApiError, error_text
from anymask.server.headers import REVALIDATE, unchanged
from anymask.server.pictures import Picture
from anymask.server.schemas import PromptBody
from anymask.server.studio import Studio
from anymask.server.wire import Dtype, embedding_file
from anymask.types.prompt import Prompt

router = APIRouter(prefix="/api/images", tags=["images"])

_PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture file's bytes; its kind is told by its content alone.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    status_code=201,
    responses=errors(400, 408, 413, 415, 429),
    openapi_extra=_PICTURE_BODY,
)
async def upload(request: Request, studio: StudioOf) -> schemas.Uploaded:
    """Take a picture and begin to encode it."""
    studio.encoder.check_room()
    with studio.arrivals.enter() as arrival:
        source = await arrival.receive(request.stream())
        received = await outcome(studio, studio.read(source))
        standing = await outcome(studio, studio.work(lambda: studio.accept(received)))
    picture = received.picture
    return schemas.Uploaded(
        id=picture.id, width=picture.width, height=picture.height, state=standing.state
    )


@router.get("/{image_id}", responses=errors(404, 422, 429))
async def image(image_id: ImageId, studio: StudioOf) -> schemas.Image:
    """A picture and where it stands."""
    picture = studio.picture(image_id)
    standing = studio.standing(picture)
    return schemas.Image(
        id=picture.id,
        width=picture.width,
        height=picture.height,
        state=standing.state,
        queue_position=standing.position,
        encode_seconds=studio.encoder.typical_seconds,
        error=standing.error,
    )


@router.delete("/{image_id}", status_code=204, responses=errors(404, 422))
async def forget_image(image_id: ImageId, studio: StudioOf) -> None:
    """Forget a picture and its embedding."""
    studio.forget(image_id)


@router.get(
    "/{image_id}/embedding",
    response_class=Response,
    responses=binary("application/octet-stream") | errors(404, 422, 429),
)
async def embedding(
    image_id: ImageId,
    request: Request,
    studio: StudioOf,
    dtype: Annotated[Dtype, Query(description="Of the numbers.")] = "float16",
) -> Response:
    """The embedding, as soon as it is there; see docs/server.md for the file."""
    picture = studio.picture(image_id)
    pair_id = studio.decoder.pair_id
    etag = f'"{image_id}-{pair_id}-{dtype}"'
    same = unchanged(request, etag, REVALIDATE)
    if same is not None:
        return same
    encoded = await _encoded(studio, picture)
    content = await outcome(studio, studio.work(lambda: embedding_file(encoded, pair_id, dtype)))
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"ETag": etag, "Cache-Control": REVALIDATE},
    )


@router.get(
    "/{image_id}/picture",
    response_class=Response,
    responses=binary("image/png") | errors(404, 422, 429),
)
async def picture_file(image_id: ImageId, request: Request, studio: StudioOf) -> Response:
    """The upright RGB pixels as PNG, for browsers that cannot show the file itself."""
    picture = studio.picture(image_id)
    etag = f'"{image_id}-png"'
    same = unchanged(request, etag, REVALIDATE)
    if same is not None:
        return same
    content = await outcome(studio, studio.work(lambda: _png(studio, picture)))
    return Response(
        content, media_type="image/png", headers={"ETag": etag, "Cache-Control": REVALIDATE}
    )


@router.post(
    "/{image_id}/masks",
    response_model=schemas.MasksResponse,
    responses=errors(404, 408, 413, 422, 429),
)
async def masks(image_id: ImageId, body: schemas.MasksRequest, studio: StudioOf) -> Response:
    """Masks for prompts, for those who do not decode by themselves."""
    picture = studio.picture(image_id)
    if len(body.prompts) > studio.limits.prompts:
        raise ApiError(
            422,
            "too_many_prompts",
            f"prompts has {len(body.prompts)} entries; at most {studio.limits.prompts} are taken",
        )
    encoded = await _encoded(studio, picture)
    content = await outcome(studio, studio.work(lambda: _answer(studio, picture, encoded, body)))
    return Response(content, media_type="application/json")


async def _encoded(studio: Studio, picture: Picture) -> EncodedImage:
    """The embedding, waited for."""
    pending = await outcome(studio, studio.work(lambda: studio.encoded(picture)))
    try:
        return await outcome(studio, pending)
    except ApiError:
        raise
    except WORK_ERRORS as error:
        message = f"picture {picture.id} could not be encoded: {error_text(error)}"
        raise ApiError(500, "encoding_failed", message) from error


def _answer(
    studio: Studio, picture: Picture, encoded: EncodedImage, body: schemas.MasksRequest
) -> bytes:
    prompts = [_prompt(one, (picture.height, picture.width)) for one in body.prompts]
    hot = studio.embeddings.hot(encoded)
    return masks_json(studio.model, hot, prompts, multimask=body.multimask)


def _prompt(body: PromptBody, size_hw: tuple[int, int]) -> Prompt:
    code = None if body.mask is None else body.mask.model_dump()
    return Prompt(
        points=body.points or None,
        labels=body.labels,
        box=body.box,
        mask=None if code is None else prompt_mask(code, size_hw),
    )


def _png(studio: Studio, picture: Picture) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(studio.rgb(picture)).save(buffer, "PNG", compress_level=FAST_PNG)
    return buffer.getvalue()
