"""The network against numbers that the published code gives for weights made from a formula."""

from __future__ import annotations

import pytest
import torch

from anymask.nn.model import Sam
from anymask.nn.prompts import PositionEmbeddingRandom
from anymask.nn.vit import relative_positions
from anymask.nn.zoo import ARCHITECTURES, build_sam
from models import synthetic_image, tiny_sam, with_synthetic_weights

POINTS = torch.tensor([[[30.0, 50.0], [100.0, 20.0]]])
LABELS = torch.tensor([[1, 0]])
BOX = torch.tensor([[10.0, 20.0, 90.0, 70.0]])


@pytest.fixture(scope="module")
def tiny() -> Sam:
    return tiny_sam()


@pytest.fixture(scope="module")
def embedding(tiny: Sam) -> torch.Tensor:
    with torch.inference_mode():
        return tiny.image_encoder(tiny.preprocess(synthetic_image(96, 128))[None])


def near(value: torch.Tensor | float, expected: object, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(
        torch.as_tensor(value, dtype=torch.float32),
        torch.as_tensor(expected, dtype=torch.float32),
        atol=tolerance,
        rtol=0,
    )


def decode(sam: Sam, embedding: torch.Tensor, points=None, boxes=None, masks=None):
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder(points, boxes, masks)
        out = sam.mask_decoder.predict_masks(
            embedding, sam.prompt_encoder.get_dense_pe(), sparse, dense
        )
    return sparse, dense, *out


def test_tiny_model_has_the_published_size(tiny: Sam) -> None:
    state = tiny.state_dict()
    assert len(state) == 202
    assert sum(p.numel() for p in tiny.parameters()) == 207_164


def test_preprocessing_normalises_then_pads_with_zero(tiny: Sam) -> None:
    canvas = tiny.preprocess(synthetic_image(96, 128))
    near(canvas[0, 0, 0], -2.117904, 1e-5)
    near(canvas[1, 10, 20], 0.992997, 1e-5)
    near(canvas[2, 95, 127], 1.681394, 1e-5)
    assert canvas.shape == (3, 128, 128)
    assert (canvas[:, 96:] == 0).all()


def test_encoder_blocks_give_the_reference_numbers(tiny: Sam) -> None:
    expected = {
        -1: (-0.000345, 3.253943, -4.277975),
        0: (0.029616, 3.618325, -3.531200),
        1: (0.028965, 3.548743, -3.975740),
        2: (0.041443, 3.520172, -4.993701),
        3: (0.071428, 3.976258, -4.422401),
    }
    encoder = tiny.image_encoder
    with torch.inference_mode():
        x = encoder.patch_embed(tiny.preprocess(synthetic_image(96, 128))[None])
        x = x + encoder.pos_embed
        near([x.mean(), x.std(correction=0), x[0, 2, 3, 4]], expected[-1])
        for index, block in enumerate(encoder.blocks):
            x = block(x)
            near([x.mean(), x.std(correction=0), x[0, 2, 3, 4]], expected[index])


def test_embedding_gives_the_reference_numbers(embedding: torch.Tensor) -> None:
    assert embedding.shape == (1, 32, 8, 8)
    near(
        [embedding.mean(), embedding.std(correction=0), embedding.min(), embedding.max()],
        [0.004650, 1.011233, -1.520536, 1.602712],
    )
    cells = [
        embedding[0, 0, 0, 0],
        embedding[0, 5, 3, 2],
        embedding[0, 31, 7, 7],
        embedding[0, 16, 4, 2],
    ]
    near(cells, [0.688812, 1.294090, -1.235587, -1.032954])


def test_slicing_the_attention_does_not_change_it(
    tiny: Sam, embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anymask.nn.vit.ATTENTION_BIAS_LIMIT", 1)
    with torch.inference_mode():
        sliced = tiny.image_encoder(tiny.preprocess(synthetic_image(96, 128))[None])
    near(sliced, embedding, 1e-5)


def test_dense_positions_give_the_reference_numbers(tiny: Sam) -> None:
    pe = tiny.prompt_encoder.get_dense_pe()
    near([pe.mean(), pe.std(correction=0)], [0.074692, 0.703151])
    near([pe[0, 0, 0, 0], pe[0, 16, 0, 0], pe[0, 3, 7, 2]], [-0.095297, 0.995449, 0.974355])


CASES = {
    "two points": (
        {"points": (POINTS, LABELS)},
        ((1, 3, 32), 0.062299, 0.628043),
        (0.080489, 0.411187),
        [0.189849, 0.188797, 0.035224, -0.148520],
        [0.233824, -0.639449, -0.215440, 0.146203],
    ),
    "box": (
        {"boxes": BOX},
        ((1, 2, 32), 0.046672, 0.747585),
        (0.080035, 0.409281),
        [0.190876, 0.187259, 0.032492, -0.150010],
        [0.234344, -0.636153, -0.216893, 0.148191],
    ),
    "box and points": (
        {"points": (POINTS, LABELS), "boxes": BOX},
        ((1, 4, 32), 0.075982, 0.740828),
        (0.080147, 0.409847),
        [0.189151, 0.189826, 0.037063, -0.147511],
        [0.234348, -0.636768, -0.219218, 0.146381],
    ),
    "first point": (
        {"points": (POINTS[:, :1], LABELS[:, :1])},
        ((1, 2, 32), -0.057350, 0.570867),
        (0.079472, 0.409859),
        [0.190184, 0.188278, 0.034314, -0.149010],
        [0.235325, -0.638008, -0.222182, 0.143205],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_prompts_give_the_reference_masks(case: str, tiny: Sam, embedding: torch.Tensor) -> None:
    prompts, (shape, mean, std), mask_moments, iou_expected, cells = CASES[case]
    sparse, _, masks, iou = decode(tiny, embedding, **prompts)
    assert sparse.shape == shape
    near([sparse.mean(), sparse.std(correction=0)], [mean, std])
    assert masks.shape == (1, 4, 32, 32)
    near([masks.mean(), masks.std(correction=0)], mask_moments, 2e-5)
    near(iou[0], iou_expected, 2e-5)
    near(
        [masks[0, 0, 0, 0], masks[0, 1, 16, 8], masks[0, 3, 31, 31], masks[0, 2, 5, 9]], cells, 2e-5
    )


def test_decoder_internals_give_the_reference_numbers(tiny: Sam, embedding: torch.Tensor) -> None:
    sparse, dense, *_ = decode(tiny, embedding, points=(POINTS, LABELS))
    near(
        sparse[0, :, :3],
        [
            [0.490932, 1.077620, 1.313335],
            [-0.484699, -0.884225, -1.031687],
            [-0.245384, -0.374739, -0.437904],
        ],
    )
    decoder = tiny.mask_decoder
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])[None]
    with torch.inference_mode():
        tokens, image = decoder.transformer(
            embedding + dense, tiny.prompt_encoder.get_dense_pe(), torch.cat([own, sparse], 1)
        )
        upscaled = decoder.output_upscaling(image.transpose(1, 2).reshape(1, 32, 8, 8))
    near(
        [tokens.mean(), tokens.std(correction=0), tokens[0, 1, 5]], [-0.045249, 0.983234, -1.289310]
    )
    near([image.mean(), image.std(correction=0), image[0, 10, 7]], [0.052823, 1.021536, 1.815535])
    near(
        [upscaled.mean(), upscaled.std(correction=0), upscaled[0, 3, 9, 20]],
        [0.051379, 0.194229, -0.107876],
    )


def test_mask_prompt_gives_the_reference_masks(tiny: Sam, embedding: torch.Tensor) -> None:
    *_, first, _ = decode(tiny, embedding, points=(POINTS[:, :1], LABELS[:, :1]))
    _, dense, masks, iou = decode(
        tiny, embedding, points=(POINTS, LABELS), masks=first[:, 1:2].clone()
    )
    near([dense.mean(), dense.std(correction=0)], [-0.140393, 2.295199])
    near([masks.mean(), masks.std(correction=0)], [-0.025805, 0.736121], 2e-5)
    near(iou[0], [0.779466, 1.144207, 0.504625, -0.583628], 2e-5)
    full = tiny.postprocess_masks(masks, (96, 128), (144, 192))
    near([full.mean(), full.std(correction=0)], [-0.026471, 0.708430], 2e-5)
    near([full[0, 0, 0, 0], full[0, 2, 7, 11]], [0.250619, 0.408856], 2e-5)
    assert (full > 0).sum(dim=(2, 3)).tolist() == [[27648, 0, 27648, 27648]]


def test_prompts_in_a_batch_equal_the_reference(tiny: Sam, embedding: torch.Tensor) -> None:
    points = POINTS.transpose(0, 1)
    _, _, _, iou = decode(tiny, embedding, points=(points, torch.ones(2, 1)))
    near(iou[:, 1:], [[0.188277, 0.034314, -0.149009], [0.188052, 0.033913, -0.149229]], 2e-5)
    near(iou[:, 0], [0.190183, 0.190335], 2e-5)


def test_each_prompt_reads_the_image_it_is_paired_with(tiny: Sam, embedding: torch.Tensor) -> None:
    images = torch.cat([embedding, embedding.flip(3)])
    points = (POINTS.transpose(0, 1), torch.ones(2, 1))
    with torch.inference_mode():
        sparse, dense = tiny.prompt_encoder(points, None, None)
        pe = tiny.prompt_encoder.get_dense_pe()
        decoder = tiny.mask_decoder
        paired, _ = decoder.predict_masks(images, pe, sparse, dense, torch.tensor([1, 0]))
        alone, _ = decoder.predict_masks(images[1:], pe, sparse[:1], dense[:1])
        rows, _ = decoder.predict_masks(images, pe, sparse, dense)
    near(paired[:1], alone, 1e-5)
    near(rows[1:], decode(tiny, images[1:], points=(points[0][1:], points[1][1:]))[2], 1e-5)


def test_images_and_prompts_that_do_not_pair_are_refused_with_both_counts(
    tiny: Sam, embedding: torch.Tensor
) -> None:
    sparse, dense = tiny.prompt_encoder((POINTS.repeat(3, 1, 1), LABELS.repeat(3, 1)), None, None)
    pe = tiny.prompt_encoder.get_dense_pe()
    with pytest.raises(ValueError, match="2 images for 3 prompts"):
        tiny.mask_decoder.predict_masks(embedding.repeat(2, 1, 1, 1), pe, sparse, dense)


@pytest.mark.parametrize(
    ("query", "key", "column", "expected"),
    [
        (4, 4, 0, [[3 + i, 2 + i, 1 + i, i] for i in range(4)]),
        (2, 4, 0, [[3, 2, 1, 0], [5, 4, 3, 2]]),
        (4, 2, 0, [[2, 0], [3, 1], [4, 2], [5, 3]]),
    ],
)
def test_relative_positions_pick_the_published_rows(query, key, column, expected) -> None:
    table = torch.stack([torch.arange(7.0), torch.arange(7.0) ** 2], 1)
    near(relative_positions(table, query, key)[..., column], expected)


def test_relative_positions_interpolate_for_another_size() -> None:
    table = torch.stack([torch.arange(7.0), torch.arange(7.0) ** 2], 1)
    second = relative_positions(table, 6, 6)[..., 1]
    near(second[0], [9.0, 5.8182, 3.1818, 1.2727, 0.4545, 0.0])
    near(second[5], [36.0, 31.0, 24.1818, 18.4545, 13.4545, 9.0])


def test_position_encoding_gives_the_reference_numbers() -> None:
    layer = PositionEmbeddingRandom(2)
    layer.positional_encoding_gaussian_matrix = torch.tensor([[0.5, -1.0], [0.25, 2.0]])
    point = torch.tensor([[30.5, 50.5]]) / 128
    near(layer.encode(point)[0], [-0.919114, 0.595699, -0.393992, 0.803208], 1e-5)
    half = 0.707107
    sine, cosine = layer((2, 2)).chunk(2)
    near(sine, [[[-half, half], [-half, half]], [[0, 0], [0, 0]]], 1e-5)
    near(cosine, [[[-half, half], [half, -half]], [[-1, -1], [-1, -1]]], 1e-5)


def test_position_encoding_stays_float32_when_the_network_is_cast(tiny: Sam) -> None:
    cast = tiny_sam().to(torch.bfloat16)
    matrix = cast.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    expected = tiny.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    assert matrix.dtype == torch.float32
    assert torch.equal(matrix, expected)


@pytest.mark.parametrize(
    ("architecture", "tensors", "parameters", "encoder_parameters"),
    [
        ("vit_b", 314, 93_735_472, 89_670_912),
        ("vit_l", 482, 312_342_832, 308_278_272),
        ("vit_h", 594, 641_090_608, 637_026_048),
    ],
)
def test_architectures_have_the_published_sizes(
    architecture: str, tensors: int, parameters: int, encoder_parameters: int
) -> None:
    with torch.device("meta"):
        sam = build_sam(architecture)
    assert len(sam.state_dict()) == tensors
    assert sum(p.numel() for p in sam.parameters()) == parameters
    assert sum(p.numel() for p in sam.image_encoder.parameters()) == encoder_parameters


def test_vit_t_has_the_published_size_without_its_unused_classifier() -> None:
    with torch.device("meta"):
        sam = build_sam("vit_t")
    assert len(sam.state_dict()) == 439 - 4
    assert sum(p.numel() for p in sam.parameters()) == 10_130_092 - 321_640
    assert ARCHITECTURES[0] == "vit_t"


@pytest.mark.slow
def test_full_size_vit_b_gives_the_reference_numbers() -> None:
    sam = with_synthetic_weights(build_sam("vit_b")).eval()
    points = (8 * POINTS, LABELS)
    with torch.inference_mode():
        embedding = sam.image_encoder(sam.preprocess(synthetic_image(683, 1024))[None])
    near(
        [embedding.mean(), embedding.std(correction=0), embedding.min(), embedding.max()],
        [0.000613, 1.004049, -1.523538, 1.578188],
        1e-3,
    )
    cells = [
        embedding[0, 0, 0, 0],
        embedding[0, 5, 3, 2],
        embedding[0, 31, 63, 63],
        embedding[0, 16, 32, 21],
    ]
    near(cells, [0.291472, 1.286277, 0.796869, 1.437177], 1e-3)
    pe = sam.prompt_encoder.get_dense_pe()
    near([pe[0, 0, 0, 0], pe[0, 128, 0, 0], pe[0, 3, 63, 2]], [0.508898, 0.860827, -0.556843], 1e-3)

    _, _, masks, iou = decode(sam, embedding, points=points)
    near(iou[0], [0.170607, -0.409847, -0.119093, 0.416126], 1e-3)
    near([masks.mean(), masks.std(correction=0)], [-0.293768, 0.341036], 1e-3)
    cells = [masks[0, 0, 0, 0], masks[0, 1, 128, 64], masks[0, 3, 255, 255], masks[0, 2, 5, 9]]
    near(cells, [0.372966, -0.359986, 0.650120, 0.249850], 1e-3)

    _, _, masks, iou = decode(sam, embedding, boxes=8 * BOX)
    near(iou[0], [0.170489, -0.410175, -0.118967, 0.416451], 1e-3)
    cells = [masks[0, 0, 0, 0], masks[0, 1, 128, 64], masks[0, 3, 255, 255], masks[0, 2, 5, 9]]
    near(cells, [0.386581, -0.342601, 0.650128, 0.257080], 1e-3)

    _, _, first, _ = decode(sam, embedding, points=(8 * POINTS[:, :1], LABELS[:, :1]))
    _, _, masks, iou = decode(sam, embedding, points=points, masks=first[:, 1:2].clone())
    near(iou[0], [0.171201, -0.410774, -0.119663, 0.417068], 1e-3)
    near(
        [masks[0, 0].mean(), masks.mean(), masks.std(correction=0)][1:], [-0.059087, 0.418564], 1e-3
    )
    full = sam.postprocess_masks(masks, (683, 1024), (1024, 1536))
    near(full.mean(), -0.070839, 1e-3)
    counts = (full > 0).sum(dim=(2, 3))[0]
    near(counts.float(), [771425, 352266, 1423100, 387948], 50)


@pytest.mark.slow
def test_full_size_vit_t_gives_the_reference_numbers() -> None:
    encoder = build_sam("vit_t").image_encoder
    with_synthetic_weights(encoder, prefix="image_encoder.", gain=1.0).eval()
    image = synthetic_image(683, 1024)
    with torch.inference_mode():
        canvas = build_sam("vit_t").preprocess(image)[None]
        x = encoder.patch_embed["seq"](canvas)
        near(x.std(correction=0), 0.103677)
        moments = [
            (-0.002849, 0.260713),
            (-0.004090, 0.194499),
            (0.000744, 0.508184),
            (-0.013973, 0.571831),
        ]
        for stage, expected in zip(encoder.layers, moments, strict=True):
            x = stage(x)
            near([x.mean(), x.std(correction=0)], expected)
        embedding = encoder(canvas)
    near(embedding.std(correction=0), 1.004148)
    cells = [
        embedding[0, 0, 0, 0],
        embedding[0, 5, 3, 2],
        embedding[0, 31, 63, 63],
        embedding[0, 16, 32, 21],
    ]
    near(cells, [1.580147, 0.316237, 1.408955, 0.838590], 1e-3)
