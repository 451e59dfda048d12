from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anymask.errors import PromptError
from anymask.evaluation.clicks import ClickTask
from anymask.evaluation.clicks_settings import ClickSettings, ModelOptions
from anymask.evaluation.jobs import Bench
from anymask.evaluation.journal import Journal
from anymask.evaluation.run import Run, evaluate
from anymask.evaluation.sets.find import find_mask_sets
from anymask.geometry import rle
from anymask.inference.segment import Model

MakeSet = Callable[..., Path]


def clicked(model: Model, *folders: Path, out: Path | None = None, **options: object) -> Run:
    task = ClickTask(ClickSettings(**options))
    journal = Journal(out or folders[0] / "out", task.settings())
    return evaluate(task, task.jobs(find_mask_sets(folders)), Bench(model), journal)


def cases(run: Run) -> list[dict]:
    return [case for _, outcome in run.outcomes for case in outcome["cases"]]


def test_objects_of_the_size_the_model_finds_are_met_at_once(
    discs: Model, disc_set: MakeSet
) -> None:
    # 12 cells of 4 pixels is the disc the model is surest of
    run = clicked(discs, disc_set(radius=48, objects=1))
    for case in cases(run):
        assert case["ious"][0] > 0.95
        assert case["measures"]["top"] == case["measures"]["oracle"] == case["ious"][0]
        assert case["points"] == [[63, 63, 1]]


def test_the_oracle_takes_the_candidate_nearest_to_the_truth(
    discs: Model, disc_set: MakeSet
) -> None:
    run = clicked(discs, disc_set(radius=32, objects=1))
    for case in cases(run):
        assert case["measures"]["oracle"] > 0.9
        assert case["ious"][0] == pytest.approx(32**2 / 48**2, abs=0.02)
        assert case["measures"]["predicted_iou"] == pytest.approx(0.9)
        assert case["measures"]["box"] > 0.9


def test_the_published_rule_takes_the_whole_scene_where_the_product_takes_the_object(
    discs: Model, disc_set: MakeSet
) -> None:
    class Scene(type(discs.backend)):
        def decode(self, images, prompts):  # type: ignore[no-untyped-def]
            decoded = super().decode(images, prompts)
            if prompts.multimask:
                decoded.logits[:, 1] = 9
            return decoded

    model = Model(Scene(), model_id="discs@0", architecture="vit_t")
    folder = disc_set(radius=32, objects=1)
    by_product = cases(clicked(model, folder))
    by_rule = cases(clicked(model, folder, options=ModelOptions(rank="predicted_iou")))
    assert all(case["ious"][0] > 0.9 for case in by_product)
    assert all(case["ious"][0] == case["measures"]["top"] < 0.1 for case in by_rule)


def test_zoom_measures_small_objects_in_windows(discs: Model, disc_set: MakeSet) -> None:
    folder = disc_set(radius=8, objects=1)
    plain = cases(clicked(discs, folder))
    zoomed = cases(clicked(discs, folder, options=ModelOptions(zoom=True)))
    for before, after in zip(plain, zoomed, strict=True):
        assert after["measures"]["box"] > 0.7 > before["measures"]["box"]


def test_every_number_of_clicks_has_a_column_and_sets_count_equally(
    discs: Model, disc_set: MakeSet
) -> None:
    folders = disc_set("good", radius=48, objects=1), disc_set("bad", 1, 4, radius=32)
    task = ClickTask(ClickSettings(points=(1, 2, 4), bootstrap=20, noc=True))
    run = clicked(discs, *folders, points=(1, 2, 4), noc=True)
    summary = task.summary(run.outcomes)
    by_set = summary.tables[0]
    rows = {row[0]: dict(zip(by_set.columns, row, strict=True)) for row in by_set.rows}
    assert {"p1", "p2", "p4", "oracle", "box", "jitter", "noc85", "noc90"} <= set(by_set.columns)
    assert rows["good"]["masks"] == 2
    assert rows["bad"]["masks"] == 4
    assert rows["mean"]["p1"] == pytest.approx((rows["good"]["p1"] + rows["bad"]["p1"]) / 2)
    assert rows["good"]["noc85"] == 1
    assert summary.figures["p1"] == rows["mean"]["p1"]
    assert summary.headline.startswith("mean over 2 sets: p1 ")


def test_a_limit_draws_the_same_objects_at_every_run(discs: Model, disc_set: MakeSet) -> None:
    folder = disc_set(pictures=2, objects=4)
    task = ClickTask(ClickSettings(limit=4, seed=1))
    first, second = (task.jobs(find_mask_sets([folder])) for _ in range(2))
    assert [len(job.truths) for job in first] == [2, 2]
    assert first == second
    other = ClickTask(ClickSettings(limit=4, seed=2)).jobs(find_mask_sets([folder]))
    assert [job.truths for job in other] != [job.truths for job in first]


def test_a_limit_below_the_number_of_pictures_draws_pictures(disc_set: MakeSet) -> None:
    jobs = ClickTask(ClickSettings(limit=2)).jobs(find_mask_sets([disc_set(pictures=5)]))
    assert [len(job.truths) for job in jobs] == [1, 1]


def test_an_interrupted_run_goes_on(discs: Model, disc_set: MakeSet, tmp_path: Path) -> None:
    folder = disc_set(pictures=3)
    whole = clicked(discs, folder, out=tmp_path / "whole")
    part = tmp_path / "part"
    clicked(discs, folder, out=part)
    (journal,) = part.glob("journal-*.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text(lines[0] + lines[1][:40])
    before = discs.backend.encoded
    again = clicked(discs, folder, out=part)
    assert again.resumed == 1
    assert discs.backend.encoded - before == 2
    assert again.outcomes == whole.outcomes


def test_a_picture_that_fails_does_not_end_the_run(discs: Model, disc_set: MakeSet) -> None:
    folder = disc_set(pictures=3)
    (folder / "images" / "2.png").write_bytes(b"no picture")
    run = clicked(discs, folder)
    assert len(run.outcomes) == 2
    assert [one.key for one in run.failures] == ["discs/2"]


def test_workers_and_their_order_change_nothing(discs: Model, disc_set: MakeSet) -> None:
    folder = disc_set(pictures=4)
    task = ClickTask(ClickSettings(first="random"))
    jobs = task.jobs(find_mask_sets([folder]))
    one, four = (
        evaluate(task, jobs, Bench(discs), Journal(folder / str(n), {}), workers=n) for n in (1, 4)
    )
    assert one.outcomes == four.outcomes


def test_unsure_pixels_belong_to_the_object_or_count_for_nothing(
    discs: Model, disc_set: MakeSet
) -> None:
    folder = disc_set(pictures=1, objects=1, radius=48)
    content = json.loads((folder / "instances.json").read_text())
    truth = rle.decode(content["annotations"][0]["segmentation"])
    band = truth & ~np.roll(truth, 24, axis=1)
    content["annotations"][0]["ignore"] = rle.encode(band)
    (folder / "instances.json").write_text(json.dumps(content))
    (plain,), (skipped,) = (
        cases(clicked(discs, folder, unsure=unsure)) for unsure in ("object", "skip")
    )
    assert rle.decode(plain["truth"]).sum() == truth.sum()
    assert rle.decode(skipped["truth"]).sum() == truth.sum() - band.sum()


def test_encoded_pictures_are_used_again(discs: Model, disc_set: MakeSet, tmp_path: Path) -> None:
    task = ClickTask(ClickSettings())
    jobs = task.jobs(find_mask_sets([disc_set(pictures=2)]))
    bench = Bench(discs, cache=tmp_path / "embeddings")
    runs = [evaluate(task, jobs, bench, Journal(tmp_path / str(n), {})) for n in range(2)]
    assert discs.backend.encoded == 2
    assert runs[0].outcomes == runs[1].outcomes


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"points": ()}, {"points": (0,)}, {"baselines": ("magic",)}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict) -> None:
    with pytest.raises(PromptError, match=next(iter(wrong))):
        ClickSettings(**wrong)


@pytest.mark.weights
@pytest.mark.shared
def test_the_published_rule_gives_the_reference_figures(
    default_model: Model, shared_dir: Path, tmp_path: Path
) -> None:
    golden = json.loads((shared_dir / "golden" / "clicks_reference.json").read_text())["sets"]
    names = ["chest_xray", "childrens_drawings"]
    folders = [shared_dir / "data" / "A" / name for name in names]
    options = {"limit": 40, "points": (1, 3, 5), "options": ModelOptions(rank="predicted_iou")}
    run = clicked(default_model, *folders, out=tmp_path, **options)
    table = ClickTask(ClickSettings(**options)).summary(run.outcomes).tables[0]
    for row in table.rows[:-1]:
        ours = dict(zip(table.columns, row, strict=True))
        assert ours["masks"] == golden[row[0]]["n"]
        for name in ("p1", "oracle", "p3", "p5", "box"):
            assert ours[name] == pytest.approx(golden[row[0]][name], abs=0.005), (row[0], name)
