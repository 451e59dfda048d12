"""``/api/jobs``: everything mode and phrases in the background, with progress as events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from anymask.inference.everything.presets import preset
from anymask.inference.everything.settings import EverythingSettings
from anymask.server import schemas
from anymask.server.dependencies import ImageId, JobId, StudioOf, errors
from anymask.server.errors import ApiError
from anymask.server.jobs import FINAL, Job, Snapshot
from anymask.server.studio import Studio
from anymask.server.words import TextOrder
from anymask.words.find import TextSettings
from anymask.words.naming import check_phrases

router = APIRouter(prefix="/api", tags=["jobs"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: progress {done, total}; at the end done {}, failed {error} or "
        "cancelled {}. Comments in between are signs of life.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/images/{image_id}/everything", status_code=202, responses=errors(404, 408, 413, 422, 429)
)
async def everything(
    image_id: ImageId, body: schemas.EverythingRequest, studio: StudioOf
) -> schemas.JobStarted:
    """Begin to find all masks of a picture."""
    picture = studio.picture(image_id)
    job = studio.everything(picture, _settings(body, studio))
    return schemas.JobStarted(id=job.id, state=job.snapshot.state)


@router.post("/images/{image_id}/text", status_code=202, responses=errors(404, 408, 413, 422, 429))
async def text(
    image_id: ImageId, body: schemas.TextRequest, studio: StudioOf
) -> schemas.JobStarted:
    """Begin to find masks for phrases."""
    picture = studio.picture(image_id)
    phrases = tuple(check_phrases(body.phrases, "phrases"))
    negative = tuple(check_phrases(body.negative, "negative")) if body.negative else ()
    settings = TextSettings(threshold=body.threshold, most=body.most, negative=negative)
    job = studio.text(picture, TextOrder(phrases, settings))
    return schemas.JobStarted(id=job.id, state=job.snapshot.state)


@router.get("/jobs/{job_id}", responses=errors(404, 422))
async def job_status(job_id: JobId, studio: StudioOf) -> schemas.JobStatus:
    """How far a job is."""
    return _status(studio.jobs.get(job_id))


@router.delete("/jobs/{job_id}", status_code=202, responses=errors(404, 422))
async def cancel_job(job_id: JobId, studio: StudioOf) -> schemas.JobStatus:
    """End a job; one that is finished stays as it is."""
    return _status(studio.jobs.cancel(job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=_EVENTS | errors(404, 422),
)
async def job_events(job_id: JobId, studio: StudioOf) -> StreamingResponse:
    """A job's progress as it happens, from where it is; it may be read any number of times."""
    job = studio.jobs.get(job_id)
    return StreamingResponse(
        events(job, studio.limits.heartbeat_seconds),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get(
    "/jobs/{job_id}/result",
    response_model=schemas.EverythingResult | schemas.TextResult,
    responses=errors(404, 409, 422),
)
async def job_result(job_id: JobId, studio: StudioOf) -> Response:
    """What a job found."""
    job = studio.jobs.get(job_id)
    at = job.snapshot
    if at.state != "done" or job.result is None:
        reason = f" ({at.error})" if at.error else ""
        message = f"job {job_id} is {at.state}{reason}; only a job that is done has a result"
        raise ApiError(409, "job_not_done", message)
    return Response(job.result, media_type="application/json")


def _settings(body: schemas.EverythingRequest, studio: Studio) -> EverythingSettings:
    given = body.model_dump(exclude={"preset"}, exclude_none=True)
    return studio.in_steps(replace(preset(body.preset), **given))


def _status(job: Job) -> schemas.JobStatus:
    at = job.snapshot
    return schemas.JobStatus(
        id=job.id,
        image=job.image_id,
        state=at.state,
        done=at.done,
        total=at.total,
        error=at.error,
    )


async def events(job: Job, heartbeat_seconds: float) -> AsyncIterator[str]:
    """A job's events until its end; progress that nobody read in time is left out.

    Args:
        job: what to watch.
        heartbeat_seconds: at most so long is nothing sent.
    """
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: the server has stopped
            loop.call_soon_threadsafe(changed.set)

    unsubscribe = job.subscribe(wake)
    try:
        shown: Snapshot | None = None
        while True:
            changed.clear()
            at = job.snapshot
            if at != shown and (at.total or at.state not in FINAL):
                yield _event("progress", {"done": at.done, "total": at.total})
            if at.state in FINAL:
                yield _event(at.state, {"error": at.error} if at.state == "failed" else {})
                return
            shown = at
            try:
                await asyncio.wait_for(changed.wait(), heartbeat_seconds)
            except TimeoutError:
                yield ": working\n\n"
    finally:
        unsubscribe()


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
