"""What importing costs, and what it must not bring."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import anymask

HEAVY = ("torch", "cv2", "onnxruntime", "onnx", "scipy", "PIL", "numpy", "typer", "transformers")
TORCH_ONLY = ("torch", "torchvision", "triton")
SERVER_ONLY = ("fastapi", "starlette", "uvicorn", "pydantic")
OPTIONAL = (
    *TORCH_ONLY,
    *SERVER_ONLY,
    "cv2",
    "skimage",
    "pycocotools",
    "onnx",
    "openvino",
    "pillow_heif",
)
NEEDS_EXTRAS = (
    "anymask.nn",
    "anymask.compat",
    "anymask.inference.torch_backend",
    "anymask.server",
    "anymask.training",
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = run(f"import sys, anymask; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_importing_the_package_takes_less_than_a_tenth_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import anymask; print(time.perf_counter() - t)"
    assert min(float(run(code)) for _ in range(3)) < 0.1


def test_the_command_line_starts_without_the_network_and_its_libraries() -> None:
    code = (
        "import sys, anymask.cli\n"
        "try: anymask.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'scipy', 'onnxruntime', 'PIL') if m in sys.modules])"
    )
    assert run(code).strip().endswith("[]")


def test_loading_a_network_leaves_pytorchs_compiler_alone() -> None:
    code = (
        "import sys, torch\n"
        "from anymask.nn.zoo import build_sam, load_sam\n"
        "state = build_sam('vit_t').state_dict()\n"
        "load_sam(state, source='here', architecture='vit_t')\n"
        "print([m for m in ('torch._dynamo', 'sympy') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


def modules() -> list[str]:
    found = pkgutil.walk_packages(anymask.__path__, "anymask.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def test_every_module_imports_without_optional_packages() -> None:
    names = [name for name in modules() if not name.startswith(NEEDS_EXTRAS)]
    assert len(names) > 30
    blocked = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in OPTIONAL)
    run(blocked + "".join(f"import {name}\n" for name in names))


def test_a_missing_extra_names_its_install_line() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import anymask\n"
        "try: anymask.load_model('vit_b', offline=True)\n"
        "except ImportError as error: print(error)"
    )
    message = run(code)
    assert 'pip install "anymask[torch]"' in message
    assert message.startswith("torch is needed to run model vit_b but is not installed")


@pytest.mark.parametrize("name", anymask.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(anymask, name) is not None
    assert name in dir(anymask)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = anymask.nothing
