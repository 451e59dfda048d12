"""``/api/edit-steps`` and ``/api/images/ID/edit``: a recipe in, the edited picture out."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from anymask.server import schemas
from anymask.server.dependencies import ImageId, StudioOf, binary, errors, outcome
from anymask.server.edits import catalogue, checked_recipe, edited_png

router = APIRouter(prefix="/api", tags=["edits"])


@router.get("/edit-steps", responses=errors())
async def edit_steps() -> list[schemas.EditStep]:
    """What an edit may do."""
    return catalogue()


@router.post(
    "/images/{image_id}/edit",
    response_class=Response,
    responses=binary("image/png") | errors(404, 408, 413, 422, 429),
)
async def edit(image_id: ImageId, body: schemas.EditRequest, studio: StudioOf) -> Response:
    """The picture with the recipe's steps done, as PNG; what was uploaded stays as it is."""
    picture = studio.picture(image_id)
    value = body.model_dump(by_alias=True, exclude_none=True)
    recipe = await outcome(
        studio, studio.work(lambda: checked_recipe(value, picture, studio.limits))
    )
    content = await outcome(
        studio,
        studio.edit(
            lambda: edited_png(studio.content(picture), recipe, lambda: studio.is_stopping)
        ),
    )
    return Response(content, media_type="image/png", headers={"Cache-Control": "no-store"})
