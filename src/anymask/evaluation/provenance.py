"""What a figure was measured with: version, commit, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from anymask.version import __version__

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_PARTS: Final = ("evaluation", "formats", "geometry", "inference", "io", "nn", "types")
_PACKAGES: Final = (
    "numpy",
    "scipy",
    "pillow",
    "onnxruntime",
    "torch",
    "scikit-image",
    "pycocotools",
)


def code_id() -> str:
    """Names the code that outcomes depend on: equal code gives equal ids, in hex."""
    digest = hashlib.sha256()
    for part in _PARTS:
        for path in sorted((_PACKAGE / part).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def provenance() -> dict[str, Any]:
    """For the head of a report."""
    return {"version": __version__, "commit": commit(), "code": code_id(), "machine": machine()}


def machine() -> dict[str, Any]:
    """Processor, system, and the versions of what computes."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def commit() -> str | None:
    """The commit of the checkout this code runs from, with a plus where its files differ from it.

    None where the code was installed, not checked out.
    """
    if _git("ls-files", "--error-unmatch", "version.py") is None:
        return None
    short = _git("rev-parse", "--short", "HEAD")
    return short and short + ("+" if _git("status", "--porcelain", "--", ".") else "")


def _git(*arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run(  # noqa: S603 - fixed words
        [program, "-C", str(_PACKAGE), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = (
        path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    )
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
