"""The published usage patterns of the predictor, as users write them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.compat import ImageNotSetError, ResizeLongestSide, SamPredictor
from anymask.errors import AnymaskError, ImageError
from anymask.inference.segment import Model
from anymask.nn.model import Sam
from anymask.types.prompt import Prompt
from models import tiny_model, tiny_sam

POINT = np.array([[60, 45]])
POINTS = np.array([[60, 45], [100, 70]])
BOX = np.array([20, 30, 110, 80])


@pytest.fixture(scope="module")
def sam() -> Sam:
    return tiny_sam()


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="module")
def image(coffee: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(coffee[::4, ::4])  # (100, 150, 3)


@pytest.fixture
def predictor(sam: Sam, image: np.ndarray) -> SamPredictor:
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    return predictor


def test_one_point_returns_three_masks_scores_and_logits(predictor) -> None:
    masks, scores, logits = predictor.predict(
        point_coords=POINT, point_labels=np.array([1]), multimask_output=True
    )
    assert (masks.shape, masks.dtype) == ((3, 100, 150), bool)
    assert (scores.shape, scores.dtype) == ((3,), np.float32)
    assert (logits.shape, logits.dtype) == ((3, 32, 32), np.float32)


def test_the_best_masks_logits_can_be_fed_back(predictor) -> None:
    _, scores, logits = predictor.predict(point_coords=POINT, point_labels=np.array([1]))
    mask_input = logits[np.argmax(scores), :, :]
    masks, again, _ = predictor.predict(
        point_coords=POINTS,
        point_labels=np.array([1, 0]),
        mask_input=mask_input[None, :, :],
        multimask_output=False,
    )
    assert masks.shape == (1, 100, 150)
    without, scores_without, _ = predictor.predict(POINTS, np.array([1, 0]), multimask_output=False)
    assert without.shape == masks.shape
    assert again[0] != scores_without[0]


@pytest.mark.parametrize("box", [BOX, BOX[None, :], BOX.tolist(), torch.tensor(BOX)])
def test_a_box_may_come_as_array_row_list_or_tensor(predictor, box) -> None:
    expected = predictor.predict(box=BOX.astype(np.float32), multimask_output=False)
    masks, scores, logits = predictor.predict(
        point_coords=None, point_labels=None, box=box, multimask_output=False
    )
    assert masks.shape == (1, 100, 150)
    assert np.array_equal(logits, expected[2])
    assert np.array_equal(scores, expected[1])


def test_a_negative_point_changes_what_a_box_gives(predictor) -> None:
    with_point = predictor.predict(
        point_coords=POINT, point_labels=np.array([0]), box=BOX, multimask_output=False
    )
    assert with_point[0].shape == (1, 100, 150)
    alone = predictor.predict(box=BOX, multimask_output=False)
    assert not np.array_equal(with_point[2], alone[2])


def test_a_batch_of_boxes_goes_through_the_transform(predictor, image) -> None:
    input_boxes = torch.tensor([[20, 30, 110, 80], [5, 5, 60, 60]], device=predictor.device)
    transformed = predictor.transform.apply_boxes_torch(input_boxes, image.shape[:2])
    masks, scores, logits = predictor.predict_torch(
        point_coords=None, point_labels=None, boxes=transformed, multimask_output=False
    )
    assert (masks.shape, masks.dtype) == ((2, 1, 100, 150), torch.bool)
    assert (scores.shape, scores.dtype) == ((2, 1), torch.float32)
    assert (logits.shape, logits.dtype) == ((2, 1, 32, 32), torch.float32)
    for mask, box in zip(masks, input_boxes, strict=True):
        single, _, _ = predictor.predict(box=box.numpy(), multimask_output=False)
        assert np.array_equal(mask.cpu().numpy(), single)


def test_a_batch_of_points_and_boxes_equals_single_calls(predictor, image) -> None:
    coords = np.stack([POINTS, POINTS[::-1] - 10])
    labels = np.array([[1, 0], [0, 1]])
    boxes = np.array([BOX, BOX + 5])
    transform, size = predictor.transform, image.shape[:2]
    _, scores, logits = predictor.predict_torch(
        torch.as_tensor(transform.apply_coords(coords, size)),
        torch.as_tensor(labels),
        torch.as_tensor(transform.apply_boxes(boxes, size)),
    )
    for row in range(2):
        single = predictor.predict(coords[row], labels[row], boxes[row])
        np.testing.assert_allclose(scores[row].numpy(), single[1], atol=1e-5)
        np.testing.assert_allclose(logits[row].numpy(), single[2], atol=1e-5)


def test_images_and_prompts_go_through_the_network_end_to_end(sam, image, astronaut) -> None:
    resize_transform = ResizeLongestSide(sam.image_encoder.img_size)

    def prepare_image(image, transform, device):
        image = transform.apply_image(image)
        image = torch.as_tensor(image, device=device.device)
        return image.permute(2, 0, 1).contiguous()

    images, boxes = [image, astronaut[::4, ::4]], [[[20, 30, 110, 80], [5, 5, 60, 60]], [BOX - 10]]
    batched_input = [
        {
            "image": prepare_image(one, resize_transform, sam),
            "boxes": resize_transform.apply_boxes_torch(
                torch.tensor(np.array(these)), one.shape[:2]
            ),
            "original_size": one.shape[:2],
        }
        for one, these in zip(images, boxes, strict=True)
    ]
    batched_output = sam(batched_input, multimask_output=False)
    assert batched_output[0].keys() == {"masks", "iou_predictions", "low_res_logits"}
    assert batched_output[0]["masks"].shape == (2, 1, 100, 150)
    assert batched_output[1]["masks"].shape == (1, 1, 128, 128)
    predictor = SamPredictor(sam)
    for one, record, output in zip(images, batched_input, batched_output, strict=True):
        predictor.set_image(one)
        masks, scores, logits = predictor.predict_torch(
            None, None, record["boxes"], multimask_output=False
        )
        torch.testing.assert_close(logits, output["low_res_logits"], atol=1e-4, rtol=0)
        torch.testing.assert_close(scores, output["iou_predictions"], atol=1e-4, rtol=0)
        assert (masks == output["masks"]).float().mean() > 0.9999


def test_logits_come_back_on_request_and_threshold_to_the_masks(predictor) -> None:
    labels = np.array([1])
    masks, _, _ = predictor.predict(POINT, labels)
    logits, _, _ = predictor.predict(POINT, labels, return_logits=True)
    assert (logits.shape, logits.dtype) == ((3, 100, 150), np.float32)
    assert np.array_equal(logits > 0, masks)
    coords = predictor.transform.apply_coords(POINT, (100, 150))
    tensor, _, _ = predictor.predict_torch(coords[None], labels[None], return_logits=True)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor[0].numpy(), logits, atol=1e-4)


def test_candidates_come_in_the_networks_order_not_by_score(image) -> None:
    model = tiny_model()
    with torch.no_grad():
        for parameter in model.backend.sam.mask_decoder.iou_prediction_head.layers[-1].parameters():
            parameter.neg_()
    predictor = SamPredictor(model)
    predictor.set_image(image)
    _, scores, logits = predictor.predict(POINT, np.array([1]))
    order = np.argsort(-scores, kind="stable")
    assert order.tolist() == [2, 1, 0]
    sorted_masks = model.segment(image, Prompt(points=POINT), rank="predicted_iou").candidates(0)
    assert np.array_equal(sorted_masks.predicted_iou, scores[order])
    assert np.array_equal(sorted_masks.low_res_logits, logits[order])


@pytest.mark.parametrize(
    ("published", "own"),
    [
        ({"point_coords": POINT, "point_labels": [1]}, {"points": POINT}),
        (
            {"point_coords": POINTS, "point_labels": [1, 0]},
            {"points": POINTS, "labels": [1, 0]},
        ),
        ({"box": BOX}, {"box": BOX}),
        (
            {"box": BOX, "point_coords": POINT, "point_labels": [0]},
            {"box": BOX, "points": POINT, "labels": [0]},
        ),
    ],
    ids=["point", "points", "box", "box and point"],
)
@pytest.mark.parametrize("wrapped", [True, False], ids=["over a model", "over a network"])
def test_the_predictor_agrees_with_the_model(sam, model, image, published, own, wrapped) -> None:
    predictor = SamPredictor(model if wrapped else sam)
    predictor.set_image(image)
    masks, scores, logits = predictor.predict(**published, multimask_output=False)
    expected = model.segment(image, Prompt(**own), multimask=False, rank="predicted_iou")
    assert np.array_equal(masks, expected.array)
    assert np.array_equal(scores, expected.predicted_iou)
    assert np.array_equal(logits, expected.low_res_logits)


def test_a_mask_of_the_images_size_agrees_with_the_model(predictor, model, image) -> None:
    mask = np.zeros((100, 150), bool)
    mask[20:60, 30:90] = True
    expected = model.segment(image, Prompt(mask=mask), multimask=False)
    for given in (mask, mask[None], mask[None, None], mask * np.uint8(255), mask.astype(float)):
        _, _, logits = predictor.predict(mask_input=given, multimask_output=False)
        assert np.array_equal(logits, expected.low_res_logits)


def test_a_mask_of_zero_and_one_on_the_low_res_grid_becomes_signed_logits(predictor) -> None:
    mask = np.zeros((32, 32), bool)
    mask[5:15, 8:20] = True
    as_logits = np.where(mask, np.float32(10), np.float32(-10))
    _, _, expected = predictor.predict(mask_input=as_logits[None], multimask_output=False)
    for given in (mask, mask[None], mask * np.uint8(255), mask.astype(np.float32)):
        _, _, logits = predictor.predict(mask_input=given, multimask_output=False)
        assert np.array_equal(logits, expected)


def test_one_mask_is_shared_by_all_prompts_of_a_batch(predictor) -> None:
    mask = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[10.0, 20, 90, 70], [5, 5, 60, 60]])
    shared = predictor.predict_torch(None, None, boxes, mask)
    repeated = predictor.predict_torch(None, None, boxes, mask.repeat(2, 1, 1, 1))
    assert torch.equal(shared[2], repeated[2])


def test_two_dimensional_points_are_one_prompt(predictor) -> None:
    points = torch.tensor([[10.0, 20], [90, 70], [30, 40], [50, 50], [20, 60]])
    labels = torch.tensor([1, 0, 1, 0, 1])
    flat = predictor.predict_torch(points, labels)
    nested = predictor.predict_torch(points[None], labels[None])
    assert flat[0].shape == (1, 3, 100, 150)
    assert torch.equal(flat[2], nested[2])
    separate = predictor.predict_torch(points[:, None], labels[:, None])
    assert separate[0].shape == (5, 3, 100, 150)


@pytest.mark.parametrize("count", [1, 2])
def test_the_rank_of_a_batch_never_depends_on_its_size(predictor, count) -> None:
    points = torch.full((count, 2, 2), 30.0)
    masks, scores, logits = predictor.predict_torch(points, torch.ones(count, 2))
    assert masks.shape == (count, 3, 100, 150)
    assert scores.shape == (count, 3)
    assert logits.shape == (count, 3, 32, 32)


def test_points_labelled_minus_one_fill_up_a_batch(predictor) -> None:
    coords = torch.tensor([[[30.0, 40], [50, 60]], [[30.0, 40], [1e6, 1e6]]])
    labels = torch.tensor([[1, 0], [1, -1]])
    masks, _, logits = predictor.predict_torch(coords, labels)
    moved = coords.clone()
    moved[1, 1] = 0
    assert masks.shape == (2, 3, 100, 150)
    assert torch.equal(logits, predictor.predict_torch(moved, labels)[2])


def test_an_empty_list_of_points_is_no_points(predictor) -> None:
    none = np.zeros((0, 2)), np.zeros(0)
    with_none = predictor.predict(*none, box=BOX)
    assert np.array_equal(with_none[2], predictor.predict(box=BOX)[2])


def test_points_a_little_outside_the_image_are_taken(predictor) -> None:
    masks, _, _ = predictor.predict(np.array([[-3, 104], [151, 50]]), np.array([1, 0]))
    assert masks.shape == (3, 100, 150)


def test_bgr_and_pillow_images_equal_the_rgb_array(sam, image) -> None:
    embeddings = []
    for picture, order in (
        (image, "RGB"),
        (image[..., ::-1], "BGR"),
        (Image.fromarray(image), "RGB"),
    ):
        predictor = SamPredictor(sam)
        predictor.set_image(picture, image_format=order)
        embeddings.append(predictor.get_image_embedding())
    assert torch.equal(embeddings[0], embeddings[1])
    assert torch.equal(embeddings[0], embeddings[2])


def test_a_resized_tensor_may_be_set_instead(sam, image) -> None:
    by_array, by_tensor = SamPredictor(sam), SamPredictor(sam)
    by_array.set_image(image)
    resized = by_tensor.transform.apply_image(image)
    tensor = torch.as_tensor(resized).permute(2, 0, 1).contiguous()[None, :, :, :]
    by_tensor.set_torch_image(tensor, image.shape[:2])
    assert by_tensor.input_size == by_array.input_size == (85, 128)
    torch.testing.assert_close(by_tensor.features, by_array.features)
    one = by_tensor.predict(POINT, [1])
    assert np.array_equal(one[0], by_array.predict(POINT, [1])[0])


def test_a_squashed_tensor_gives_masks_of_the_original_size(sam) -> None:
    predictor = SamPredictor(sam)
    predictor.set_torch_image(torch.zeros(1, 3, 128, 128), (100, 150))
    masks, _, _ = predictor.predict(POINT, [1], return_logits=True)
    coords = predictor.transform.apply_coords(POINT, (100, 150))
    batch, _, _ = predictor.predict_torch(coords[None], [[1]], return_logits=True)
    assert masks.shape == (3, 100, 150)
    np.testing.assert_allclose(batch[0].numpy(), masks, atol=1e-4)


def test_the_state_has_the_published_names(predictor, sam, image) -> None:
    assert predictor.model is sam
    assert predictor.is_image_set
    assert predictor.original_size == (100, 150)
    assert predictor.input_size == (85, 128)
    assert predictor.transform.target_length == 128
    assert predictor.device == torch.device("cpu")
    embedding = predictor.get_image_embedding()
    assert (embedding.shape, embedding.dtype) == ((1, 32, 8, 8), torch.float32)
    assert torch.equal(embedding, predictor.features)


def test_over_a_model_the_network_is_shown(model) -> None:
    assert SamPredictor(model).model is model.backend.sam


def test_a_stored_embedding_may_be_set_again(predictor, sam) -> None:
    stored = predictor.get_image_embedding().cpu().clone()
    other = SamPredictor(sam)
    other.features = stored
    other.original_size, other.input_size = predictor.original_size, predictor.input_size
    other.is_image_set = True
    assert np.array_equal(other.predict(POINT, [1])[2], predictor.predict(POINT, [1])[2])
    assert torch.equal(other.features, stored)


def test_features_that_were_changed_are_used(predictor) -> None:
    def low_res() -> np.ndarray:
        return predictor.predict(POINT, [1])[2]

    first = low_res()
    predictor.features = predictor.features + 1
    set_anew = low_res()
    predictor.features += 1
    in_place = low_res()
    predictor.features = predictor.features.numpy() - 2
    back = low_res()
    predictor.features += 1
    assert not np.allclose(first, set_anew)
    assert not np.allclose(set_anew, in_place)
    np.testing.assert_allclose(back, first, atol=1e-4)
    np.testing.assert_allclose(low_res(), set_anew, atol=1e-4)
    with torch.inference_mode():
        predictor.features = torch.as_tensor(predictor.features) * 1
    np.testing.assert_allclose(low_res(), set_anew, atol=1e-4)


def test_an_encoded_image_may_be_set(model, image) -> None:
    predictor = SamPredictor(model)
    predictor.set_image(model.encode(image))
    assert predictor.predict(POINT, [1])[0].shape == (3, 100, 150)


def test_a_threshold_of_the_network_is_respected(image) -> None:
    sam = tiny_sam()
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    logits, _, _ = predictor.predict(POINT, [1], return_logits=True)
    sam.mask_threshold = 0.1
    assert np.array_equal(predictor.predict(POINT, [1])[0], logits > 0.1)


@pytest.mark.parametrize("ask", ["predict", "predict_torch", "get_image_embedding"])
def test_asking_without_an_image_is_refused(sam, image, ask) -> None:
    predictor = SamPredictor(sam)
    arguments = {
        "predict": (POINT, [1]),
        "predict_torch": (POINT, [1]),
        "get_image_embedding": (),
    }[ask]
    with pytest.raises(RuntimeError, match=r"no image is set; call set_image"):
        getattr(predictor, ask)(*arguments)
    predictor.set_image(image)
    predictor.reset_image()
    with pytest.raises(ImageNotSetError) as caught:
        getattr(predictor, ask)(*arguments)
    assert isinstance(caught.value, AnymaskError)
    assert predictor.features is None
    assert predictor.original_size is None
    assert predictor.input_size is None


def test_a_refused_image_leaves_no_former_image_behind(predictor) -> None:
    with pytest.raises(ImageError, match="5 channels"):
        predictor.set_image(np.zeros((20, 30, 5), np.uint8))
    with pytest.raises(ImageNotSetError):
        predictor.predict(POINT, [1])


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (3, 400)])
def test_extreme_shapes_give_masks_of_their_size(sam, size) -> None:
    predictor = SamPredictor(sam)
    predictor.set_image(np.zeros((*size, 3), np.uint8))
    masks, _, _ = predictor.predict([[0, 0]], [1])
    assert masks.shape == (3, *size)


@pytest.mark.weights
def test_the_default_model_segments_a_photo_through_the_published_names(
    default_model, astronaut
) -> None:
    predictor = SamPredictor(default_model)
    predictor.set_image(astronaut)
    assert predictor.get_image_embedding().shape == (1, 256, 64, 64)
    masks, scores, logits = predictor.predict(np.array([[220, 110]]), np.array([1]))
    assert masks.shape == (3, 512, 512)
    assert logits.shape == (3, 256, 256)
    best = masks[scores.argmax()]
    assert best[110, 220]
    assert 0.01 < best.mean() < 0.6
    expected = default_model.segment(astronaut, Prompt(points=[(220, 110)]), rank="predicted_iou")
    assert np.array_equal(best, expected.array[0])


@pytest.mark.weights
def test_a_plain_disc_given_as_a_mask_comes_back(default_model) -> None:
    y, x = np.ogrid[:300, :400]
    disc = (y - 150) ** 2 + (x - 200) ** 2 < 70**2
    image = np.where(disc[..., None], np.uint8([220, 60, 40]), np.uint8([70, 90, 160]))
    predictor = SamPredictor(default_model)
    predictor.set_image(image)
    masks, _, _ = predictor.predict(mask_input=disc, multimask_output=False)
    assert (masks[0] & disc).sum() / (masks[0] | disc).sum() > 0.8
