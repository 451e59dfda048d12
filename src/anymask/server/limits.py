"""How much of everything the server takes on: bytes, pixels, places in queues, seconds."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds memory, disk and waiting.

    Attributes:
        upload_bytes: largest picture file.
        pixels: largest picture, width x height.
        json_bytes: largest body of all other requests.
        uploads: picture files being received and decoded at once.
        embedding_memory_bytes: embeddings kept in memory.
        embedding_disk_bytes: embeddings kept in the cache folder.
        picture_memory_bytes: small picture files kept in memory.
        picture_disk_bytes: picture files kept in a temporary folder, arriving ones included.
        encoders: pictures encoded at once.
        encode_queue: pictures that wait for the encoder.
        decode_queue: requests for masks or pictures worked on or waiting.
        jobs: everything jobs running or waiting.
        result_bytes: results of finished jobs kept.
        job_points: points that one job may ask.
        prompts: prompts in one request.
        edit_queue: edits worked on or waiting.
        edit_steps: steps of one edit.
        edit_pixels: largest picture that is edited, width x height.
        edit_mask_pixels: all masks of one edit together.
        idle_seconds: longest silence in the middle of a request's body.
        header_seconds: longest time a request's header may take.
        grace_seconds: after this long a body must arrive at `least_bytes_per_second` on average.
        least_bytes_per_second: see there.
        heartbeat_seconds: between signs of life while a job's events are awaited.
    """

    upload_bytes: int = 100 * MB
    pixels: int = 1 << 27
    json_bytes: int = 4 * MB
    uploads: int = 64
    embedding_memory_bytes: int = 256 * MB
    embedding_disk_bytes: int = 1024 * MB
    picture_memory_bytes: int = 256 * MB
    picture_disk_bytes: int = 1024 * MB
    encoders: int = 1
    encode_queue: int = 32
    decode_queue: int = 32
    jobs: int = 8
    result_bytes: int = 64 * MB
    job_points: int = 1 << 18
    prompts: int = 256
    edit_queue: int = 8
    edit_steps: int = 64
    edit_pixels: int = 1 << 26
    edit_mask_pixels: int = 1 << 29
    idle_seconds: float = 20.0
    header_seconds: float = 15.0
    grace_seconds: float = 10.0
    least_bytes_per_second: int = 8_000
    heartbeat_seconds: float = 15.0
