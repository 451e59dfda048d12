"""The networks for words on onnxruntime, against PyTorch and transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anymask.errors import WeightsError
from anymask.inference.word_engines import Classifier, SentenceEncoder
from anymask.inference.word_graphs import STAGES, classifier_graph, sentence_graph
from anymask.io.weights.cache import locate
from anymask.io.weights.zoo import TEXT_ZOO

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

TEXTS = ("cat", "a long phrase about a red cup on a table", "two dogs", "")


@pytest.fixture(scope="module")
def files() -> tuple[Path, Path, Path]:
    """Weights of the classifier, and weights and tokenizer of the sentence encoder."""
    located = [locate(entry) for entry in TEXT_ZOO]
    if None in located:
        pytest.skip("the weights for words are not in the cache; run `anymask models fetch text`")
    classifier, sentences = (one.files for one in located if one)
    (weights,) = classifier.values()
    return weights, sentences["model.safetensors"], sentences["tokenizer.json"]


def efficientnet_lite(state: dict, crops: np.ndarray) -> np.ndarray:
    """The network as its paper tells it, with normalisation apart from the convolutions."""

    def conv(x, name, norm, stride=1):
        weight = state[f"{name}.weight"]
        kernel, groups = weight.shape[-1], len(weight) if weight.shape[1] == 1 else 1
        total = max(0, (-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1])
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        x = F.conv2d(x, weight, None, stride, 0, 1, groups)
        values = [state[f"{norm}.{one}"] for one in ("running_mean", "running_var")]
        return F.batch_norm(
            x, *values, state[f"{norm}.weight"], state[f"{norm}.bias"], False, 0, 1e-3
        )

    x = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 0.498 * 255) / (0.502 * 255)
    x = F.relu6(conv(x, "_conv_stem", "_bn0", 2))
    strides = [s for stage in STAGES for s in (stage.stride, *[1] * (stage.blocks - 1))]
    for number, stride in enumerate(strides):
        name, y = f"_blocks.{number}", x
        if f"{name}._expand_conv.weight" in state:
            y = F.relu6(conv(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = F.relu6(conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        y = conv(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
    x = F.relu6(conv(x, "_conv_head", "_bn1")).mean(dim=(2, 3))
    return F.linear(x, state["_fc.weight"], state["_fc.bias"]).numpy()


@pytest.mark.weights
@pytest.mark.parametrize("side", [192, 97])
def test_logits_are_those_of_the_published_network(
    files: tuple[Path, Path, Path], tmp_path: Path, coffee: np.ndarray, side: int
) -> None:
    state = torch.load(files[0], weights_only=True)
    crops = np.stack([coffee[at : at + side, at : at + side] for at in (0, 45)])
    found = Classifier(files[0], tmp_path / "kept")(crops)
    np.testing.assert_allclose(found, efficientnet_lite(state, crops), atol=1e-3)


@pytest.mark.weights
def test_vectors_are_those_of_bert(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    config = transformers.BertConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    network = transformers.BertModel(config, add_pooling_layer=False).eval()
    network.load_state_dict(load_file(files[1]), strict=False)
    tokenizer = Tokenizer.from_file(str(files[2]))
    found = SentenceEncoder(files[1], files[2], tmp_path / "kept")(TEXTS)
    tokenizer.no_padding()
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = torch.tensor([tokenizer.encode(text).ids])
        with torch.inference_mode():
            mean = network(tokens).last_hidden_state.mean(dim=1)
        np.testing.assert_allclose(vector, F.normalize(mean)[0].numpy(), atol=1e-5)


@pytest.mark.weights
def test_graphs_are_kept_and_a_damaged_one_is_made_again(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    crops = np.zeros((1, 64, 64, 3), np.uint8)
    first = Classifier(files[0], tmp_path / "deep" / "kept")(crops)
    (kept,) = (tmp_path / "deep").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1000])
    np.testing.assert_array_equal(Classifier(files[0], tmp_path / "deep" / "kept")(crops), first)
    assert kept.read_bytes() == whole
    # once it is kept, the published file is not read again
    Classifier(tmp_path / "gone.pth", tmp_path / "deep" / "kept")(crops)


@pytest.mark.parametrize("write", [classifier_graph, sentence_graph])
def test_tensors_of_something_else_are_refused(write) -> None:
    with pytest.raises(WeightsError, match="these are no weights of"):
        write({"x": np.zeros(3, np.float32)})


@pytest.mark.weights
def test_phrases_find_masks_without_torch(
    files: tuple[Path, Path, Path], default_weights: object, tmp_path: Path, coffee: np.ndarray
) -> None:
    from PIL import Image

    Image.fromarray(coffee).save(tmp_path / "photo.png")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import anymask.cli\n"
        "asked = ['text', 'photo.png', 'a cup', '--point', '300,190']\n"
        "assert anymask.cli.main(asked) == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "anymask-out" / "photo_text.json").is_file()
