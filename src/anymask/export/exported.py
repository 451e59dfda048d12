"""An export opened again: checked, run by onnxruntime, everything by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from anymask.errors import DeviceError, WeightsError
from anymask.export.contract import EXPORT, EXPORT_SCHEMA
from anymask.export.pair import (
    ARCHITECTURE_KEY,
    MODEL_KEY,
    PAIR_ID_KEY,
    PART_KEY,
    SCHEMA_KEY,
    check_pair,
    read_metadata,
)
from anymask.export.parts import DECODER, ENCODER, PARTS
from anymask.inference.engines import LightEngine, check_light_engine
from anymask.inference.openvino_backend import OpenvinoSession

Array = NDArray[Any]
Arrays = Mapping[str, Array]

CPU = "CPUExecutionProvider"
_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""Plain exceptions all of them, without a base of their own."""


class ExportedModel:
    """The files of one export.

    Args:
        sessions: by part.
        metadata: of any of the files.
        provider: what runs them.

    Attributes:
        pair_id: in the metadata of every file.
        model_id: which weights.
        architecture: such as "vit_t".
        provider: what runs them.
    """

    def __init__(
        self, sessions: Mapping[str, Any], metadata: Mapping[str, str], provider: str
    ) -> None:
        self.pair_id = metadata[PAIR_ID_KEY]
        self.model_id = metadata[MODEL_KEY]
        self.architecture = metadata[ARCHITECTURE_KEY]
        self.provider = provider
        self._sessions = sessions

    @classmethod
    def open(
        cls,
        *paths: str | PathLike[str],
        provider: str = CPU,
        engine: LightEngine = "onnx",
        precision: str = "fp32",
    ) -> ExportedModel:
        """Open files that belong together; their names may have been changed.

        Args:
            paths: a folder that `anymask export` wrote, or model files, at most one of a part.
            provider: what runs them, as onnxruntime names it.
            engine: what runs the image encoder; "openvino" is faster on many processors.
            precision: of the image encoder with OpenVINO: "fp32", "bf16" or "auto".

        Raises:
            WeightsError: a file is missing, damaged, no export, or of another model.
            DeviceError: the provider or engine is not there, another one took its place, or it
                does not have this precision.
            MissingExtraError: OpenVINO is not installed.

        Example:
            >>> exported = ExportedModel.open("anymask-export")  # doctest: +SKIP
            >>> exported.parts  # doctest: +SKIP
            frozenset({'encoder', 'decoder'})
        """
        files = _by_part([Path(path) for path in paths])
        metadata: dict[str, str] = {}
        for path, found in files.values():
            metadata = metadata or found
            check_pair(metadata[PAIR_ID_KEY], found[PAIR_ID_KEY], what=str(path))
        check_light_engine(engine, precision)
        sessions = {
            part: OpenvinoSession(path, precision)
            if (engine, part) == ("openvino", ENCODER)
            else _open(path, provider)
            for part, (path, _) in files.items()
        }
        return cls(sessions, metadata, provider)

    @property
    def parts(self) -> frozenset[str]:
        """Those that are there, of `parts.PARTS`."""
        return frozenset(self._sessions)

    @property
    def is_original(self) -> bool:
        """Whether the decoder has the original layout."""
        return "orig_im_size" in self._inputs(DECODER)

    @property
    def answers(self) -> int:
        """How many masks the decoder gives a prompt: 4, or 1 where it chooses by itself."""
        name = "iou_predictions" if self.is_original else "iou"
        shapes = {one.name: one.shape for one in self._session(DECODER).get_outputs()}
        return int(shapes[name][1])

    @property
    def slots(self) -> tuple[int, int] | None:
        """Prompts and points a prompt that the decoder is made for; None if each call chooses."""
        if self.is_original:
            return None
        count, points, _ = self._inputs(DECODER)["coords"]
        return None if isinstance(count, str) else (count, points)

    def run(self, part: str, values: Arrays) -> dict[str, Array]:
        """Run one of the graphs.

        Args:
            part: which.
            values: its inputs by name.

        Returns:
            Its outputs by name.

        Raises:
            WeightsError: the part is not there.
        """
        session = self._session(part)
        names = _output_names(session)
        try:
            answers = session.run(names, dict(values))
        except (ort_errors.Fail, ort_errors.RuntimeException) as error:  # mostly, memory ran out
            raise RuntimeError(f"onnxruntime stopped: {_one_line(error)}") from error
        return dict(zip(names, answers, strict=True))

    def _inputs(self, part: str) -> dict[str, list[Any]]:
        return {one.name: one.shape for one in self._session(part).get_inputs()}

    def _session(self, part: str) -> Any:
        if part not in self._sessions:
            raise WeightsError(f"there is no {part} in this export; export it as well")
        return self._sessions[part]


def _output_names(session: Any) -> list[str]:
    if isinstance(session, OpenvinoSession):  # tells its own names besides the file's
        return list(EXPORT[ENCODER].outputs)
    return [output.name for output in session.get_outputs()]


def _by_part(paths: Iterable[Path]) -> dict[str, tuple[Path, dict[str, str]]]:
    """Files with their metadata."""
    found: dict[str, tuple[Path, dict[str, str]]] = {}
    for path in _model_files(paths):
        metadata = read_metadata(path)
        part = metadata.get(PART_KEY)
        needed = (PAIR_ID_KEY, MODEL_KEY, ARCHITECTURE_KEY)
        if metadata.get(SCHEMA_KEY) != EXPORT_SCHEMA or part not in PARTS:
            raise WeightsError(f"{path} is no file of `anymask export` ({EXPORT_SCHEMA})")
        if not all(key in metadata for key in needed):
            raise WeightsError(f"{path} is damaged; export again")
        if part in found:
            raise WeightsError(f"{path} and {found[part][0]} are both the {part}; give one of them")
        found[part] = path, metadata
    return {part: found[part] for part in (ENCODER, DECODER) if part in found}


def _model_files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
        if not inside:
            raise WeightsError(f"{path} has no .onnx file; give a folder of `anymask export`")
        files += inside
    return files


def _open(path: Path, provider: str) -> Any:
    """A session that runs on the provider that was asked for, and on no other in its place."""
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise DeviceError(f"provider {provider} is not there; there are {', '.join(available)}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised below
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except _ERRORS as error:
        raise WeightsError(f"{path} cannot be opened ({_one_line(error)}); export again") from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"{provider} was asked for but onnxruntime took {session.get_providers()[0]}; "
            "install what the provider needs, or ask for another"
        )
    return session


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
