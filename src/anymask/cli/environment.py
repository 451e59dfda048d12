"""Facts about the machine and what is installed on it. Nothing here fails or changes anything.

Only what is listed here is told: of the environment a few harmless variables, of paths inside the
home folder not the user's name.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from anymask.inference.engines import usable_cores
from anymask.io.weights.cache import locate, resolve_cache_dir, resolve_model_dir
from anymask.io.weights.zoo import ZOO, ZooEntry
from anymask.version import __version__

Section = dict[str, Any]

PACKAGES: Final = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pillow": "PIL",
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "openvino": "openvino",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "pillow-heif": "pillow_heif",
    "typer": "typer",
    "rich": "rich",
}
"""Name of the distribution -> what is imported."""

SHOWN_VARIABLES: Final = (
    "ANYMASK_HOME",
    "ANYMASK_MODEL_DIR",
    "ANYMASK_OFFLINE",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)
"""Variables whose values are told; of others named ANYMASK_* only that they are set."""

_CPU_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_ARM_FLAGS = ("asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve")


def describe() -> dict[str, Section]:
    """Everything, by section; a fact that cannot be found out says why instead."""
    return {
        "anymask": _section({"version": lambda: __version__, "location": _location}),
        "system": _section(
            {
                "python": lambda: f"{platform.python_implementation()} {platform.python_version()}",
                "executable": lambda: shorten(sys.executable),
                "os": platform.platform,
                "machine": platform.machine,
                "encoding": lambda: f"{sys.stdout.encoding}, files {sys.getfilesystemencoding()}",
            }
        ),
        "processor": _section(
            {
                "model": _cpu_model,
                "cores": os.cpu_count,
                "usable cores": usable_cores,
                "features": _cpu_features,
                "memory": _memory,
            }
        ),
        "packages": {name: package_state(name, module) for name, module in PACKAGES.items()},
        "engines": _section(
            {
                "torch devices": _torch_devices,
                "torch threads": _torch_threads,
                "onnxruntime providers": _onnx_providers,
            }
        ),
        "weights": _section(
            {
                "cache folder": lambda: shorten(resolve_cache_dir()),
                "cache state": lambda: _folder_state(resolve_cache_dir()),
                "model folder": _model_dir,
                **{entry.name: _locator(entry) for entry in ZOO},
            }
        ),
        "variables": variables(os.environ),
    }


def package_state(name: str, module: str) -> str:
    """The version, "not installed", or "broken: ..." for one that cannot be imported."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
    problem = attempt(lambda: import_module(module) and None)
    return version if problem is None else f"{version}, broken: {problem}"


def variables(environment: Any) -> Section:
    """The harmless variables with their values, further ones of this package by name alone."""
    shown = {name: shorten(environment[name]) for name in SHOWN_VARIABLES if name in environment}
    ours = [name for name in environment if name.startswith("ANYMASK_")]
    return {**shown, **{name: "set" for name in sorted(ours) if name not in shown}}


def attempt(probe: Callable[[], Any]) -> Any:
    """What a probe finds, or the error as text."""
    try:
        return probe()
    # a broken installation raises anything, and a report must be made of exactly that
    except Exception as error:  # noqa: BLE001
        return shorten(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def shorten(text: object) -> str:
    """Paths inside the home folder begin with ``~``, which keeps the user's name out."""
    try:
        home = str(Path.home())
    except RuntimeError:  # there is none, so no path lies in it
        return str(text)
    return str(text).replace(home, "~") if len(home) > 1 else str(text)


def _section(probes: dict[str, Callable[[], Any]]) -> Section:
    return {name: attempt(probe) for name, probe in probes.items()}


def _location() -> str:
    return shorten(Path(__file__).resolve().parents[1])


def _cpu_info() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is no such file."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first, _, _ = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _cpu_model() -> str:
    return _cpu_info().get("model name") or platform.processor() or platform.machine()


def _cpu_features() -> list[str]:
    info = _cpu_info()
    flags = set(info.get("flags", info.get("features", "")).split())
    return [flag for flag in (*_CPU_FLAGS, *_ARM_FLAGS) if flag in flags]


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = f"{total / 2**30:.1f} GiB"
    path = Path("/proc/meminfo")
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable"))
        told += f", {int(free.split()[1]) / 2**20:.1f} GiB available"
    return told


def _torch_devices() -> list[str] | None:
    if find_spec("torch") is None:
        return None
    torch = import_module("torch")
    cuda = torch.cuda
    names = [f"cuda:{i} {cuda.get_device_name(i)}" for i in range(cuda.device_count())]
    return ["cpu", *names, *(["mps"] if torch.backends.mps.is_available() else [])]


def _torch_threads() -> int | None:
    return None if find_spec("torch") is None else int(import_module("torch").get_num_threads())


def _onnx_providers() -> list[str]:
    return list(import_module("onnxruntime").get_available_providers())


def _folder_state(folder: Path) -> str:
    """Whether a folder can be written, without writing."""
    if not folder.exists():
        parent = next(parent for parent in folder.parents if parent.exists())
        writable = os.access(parent, os.W_OK | os.X_OK)
        return "not there yet, can be made" if writable else f"cannot be made in {shorten(parent)}"
    return "writable" if os.access(folder, os.W_OK | os.X_OK) else "not writable"


def _model_dir() -> str | None:
    folder = resolve_model_dir()
    return None if folder is None else shorten(folder)


def _locator(entry: ZooEntry) -> Callable[[], str]:
    def where() -> str:
        located = locate(entry)
        if located is None:
            return "not there"
        path = next(iter(located.files.values()), located.converted)
        return f"there, {shorten(path.parent)}"

    return where
