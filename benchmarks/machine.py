"""What a figure was measured with: machine, threads, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch",
    "torchvision",
    "onnxruntime",
    "transformers",
    "segment-anything",
    "mobilesam-mirror",
    "numpy",
    "pillow",
)
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def describe(threads: int) -> dict[str, Any]:
    """For the head of the report."""
    cpu = _cpu()
    return {
        "cpu": cpu.get("model name", platform.processor() or platform.machine()),
        "cpu_family_model": f"{cpu.get('cpu family', '?')}/{cpu.get('model', '?')}",
        "features": [name for name in _FEATURES if name in cpu.get("flags", "").split()],
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "threads": threads,
        "versions": {package: _version(package) for package in PACKAGES},
    }


def commit(repository: Path) -> str:
    """The commit of the checkout, with a plus where files of the package differ from it."""
    short = _git(repository, "rev-parse", "--short", "HEAD")
    changed = _git(repository, "status", "--porcelain", "--", "src")
    return (short or "unknown") + ("+" if changed else "")


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> dict[str, str]:
    """The first processor of Linux's list; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = [line.partition(":") for line in text.split("\n\n")[0].splitlines()]
    return {name.strip(): value.strip() for name, _, value in lines}
