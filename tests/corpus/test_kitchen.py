"""The drawn dataset on disk: reproducible, resumable, readable as YouCook2, and different in its narration alone."""

import hashlib
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from pipeline.base.dataset_params import KitchenDataset
from pipeline.corpus import kitchen
from pipeline.corpus.annotations import read_annotations
from pipeline.corpus.entities import entities_in
from pipeline.kitchen.grammar import ACTIONS, ATTRIBUTES, INGREDIENTS, VESSELS, Step, allowed, generator
from pipeline.kitchen.motion import open_shot
from pipeline.kitchen.shot import Take
from pipeline.kitchen.video import draw_frames, draw_videos

SETTINGS = KitchenDataset(
    name="kitchen", seed=7, train=10, validation=3, test=4, trained_on="short", tested_on="short", deictic_share=0.5, width=96,
    height=72, fps=4, max_failed_share=0.0,
)  # fmt: skip
# Of these settings, as they were before there were long videos.
TEXTS = "b96fab9aaf07bdd247695f8fb61d54e3a1366903ac0db30bf4dcc5751553043b"
FRAMES = "bfc51f990a280dc21ff77561a731048ebf5924dbcc40d65f175619c0748d47e9"


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kitchen")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        kitchen.build(SETTINGS, folder / "raw", workers=1)
    return folder / "raw"


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    kitchen.build(SETTINGS, tmp_path / "raw", workers=2)
    assert files(built) == files(tmp_path / "raw")


def test_short_videos_and_their_texts_are_what_they_always_were(built: Path) -> None:
    texts, frames = hashlib.sha256(), hashlib.sha256()
    for path in sorted(path for path in built.rglob("*") if path.is_file() and path.suffix != ".mp4"):
        texts.update(path.relative_to(built).as_posix().encode() + path.read_bytes())
    for plan in kitchen.plan_videos(SETTINGS)[:2]:
        for image in draw_frames(plan):
            frames.update(image.tobytes())
    assert (texts.hexdigest(), frames.hexdigest()) == (TEXTS, FRAMES)


def test_long_videos_have_rows_like_any_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on short ones, tested on long ones: other test videos, the same for training."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    mixed = SETTINGS.model_copy(update={"train": 2, "validation": 1, "test": 2, "tested_on": "long"})
    kitchen.build(mixed, tmp_path / "raw", workers=1)
    videos = kitchen.read_dataset(tmp_path / "raw")
    short = {plan.video_id: plan for plan in kitchen.plan_videos(mixed.model_copy(update={"tested_on": "short"}))}
    for video in videos:
        assert entities_in(video.summary, INGREDIENTS) == set(video.entities) == entities_in(video.transcript_named, INGREDIENTS)
        if video.split == "test":
            dishes = video.recipe.split(" and ")
            assert len(dishes) == 2 and all(dish in video.summary and dish in video.transcript for dish in dishes)
            shown = sum(end - start for start, end in video.segments)
            assert len(video.steps) == len(video.segments) >= 6 and shown < video.duration_seconds
        else:
            assert short[video.video_id].plot.dish == video.recipe
            assert short[video.video_id].duration_seconds == video.duration_seconds


def test_what_is_tested_on_does_not_depend_on_what_was_trained_on() -> None:
    """Same ids, same videos, and the other way round."""
    plans = {
        (trained, tested): kitchen.plan_videos(SETTINGS.model_copy(update={"trained_on": trained, "tested_on": tested}))
        for trained in ("short", "long")
        for tested in ("short", "long")
    }
    for kind in ("short", "long"):
        for one, other, of_test in (
            (plans["short", kind], plans["long", kind], True),
            (plans[kind, "short"], plans[kind, "long"], False),
        ):
            assert one != other
            assert [plan for plan in one if (plan.plot.bucket == "test") == of_test] == [
                plan for plan in other if (plan.plot.bucket == "test") == of_test
            ]


def test_another_seed_gives_other_videos(built: Path) -> None:
    other = kitchen.plan_videos(SETTINGS.model_copy(update={"seed": 8}))
    assert {plan.plot.key for plan in other} != {plan.plot.key for plan in kitchen.plan_videos(SETTINGS)}


def test_rows_are_complete_and_splits_have_their_sizes(built: Path) -> None:
    videos = kitchen.read_dataset(built)
    assert [sum(video.split == split for video in videos) for split in ("train", "validation", "test")] == [10, 3, 4]
    for video in videos:
        assert Path(video.video_path).is_file()
        assert video.recipe in video.summary
        assert video.recipe in video.transcript
        assert 3 <= len(video.steps) <= 5
        assert video.status == "ok"


def test_annotations_come_back_as_planned(built: Path) -> None:
    read = read_annotations(built / "annotations.json", recipes=built / "label_foodtype.csv")
    plans = kitchen.plan_videos(SETTINGS)
    assert [annotation.video_id for annotation in read] == [plan.video_id for plan in plans]
    for annotation, plan in zip(read, plans, strict=True):
        assert annotation.split == plan.plot.bucket
        assert annotation.recipe == plan.plot.dish
        assert annotation.duration_seconds == plan.duration_seconds
        assert annotation.segments == tuple(plan.segments)
        assert annotation.segments[-1][1] == plan.duration_seconds
        for sentence, step in zip(annotation.steps, plan.plot.steps, strict=True):
            assert {step.action, *step.ingredient.split(), *step.vessel.split()} <= set(sentence.split())


def test_layout_has_the_keys_of_youcook2(built: Path) -> None:
    entry = next(iter(json.loads((built / "annotations.json").read_text())["database"].values()))
    assert set(entry) == {"duration", "subset", "recipe_type", "annotations", "video_url"}
    assert set(entry["annotations"][0]) == {"segment", "id", "sentence"}
    assert entry["subset"] in ("training", "validation", "testing")
    assert (built / "label_foodtype.csv").read_text().splitlines()[0] == "101,soup"


def test_videos_decode_to_the_planned_frames_with_some_that_nothing_refers_to(built: Path) -> None:
    for plan in kitchen.plan_videos(SETTINGS):
        with av.open(str(built / "videos" / f"{plan.video_id}.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 96, 72)
            assert stream.average_rate == 4
            frames = list(container.decode(stream))
        assert len(frames) == sum(plan.frame_counts)
        assert {PictureType(frame.pict_type).name for frame in frames} >= {"I", "P", "B"}


def test_share_changes_the_narration_and_nothing_else(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    kitchen.build(SETTINGS.model_copy(update={"deictic_share": 1.0}), tmp_path / "raw", workers=1)
    before, after = files(built), files(tmp_path / "raw")
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed
    assert all(name.startswith("transcripts/") for name in changed)


def test_entities_are_the_recipes_ingredients_and_the_named_transcript_names_them(built: Path) -> None:
    for video in kitchen.read_dataset(built):
        assert 2 <= len(video.entities) <= 3
        assert entities_in(video.summary, INGREDIENTS) == set(video.entities) == entities_in(video.transcript_named, INGREDIENTS)
        assert entities_in(" ".join(video.steps), INGREDIENTS) == set(video.entities)


def test_a_killed_run_goes_on_with_the_shards_it_had(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    drawn: list[str] = []

    def fail_late(plans: Any, folder: Path) -> dict[str, Any]:
        if drawn:
            folder.mkdir()
            raise KeyboardInterrupt
        drawn.extend(plan.video_id for plan in plans)
        return draw_videos(plans, folder)

    monkeypatch.setattr(kitchen, "draw_videos", fail_late)
    with pytest.raises(KeyboardInterrupt):
        kitchen.build(SETTINGS, tmp_path / "raw", workers=1)
    assert not (tmp_path / "raw").exists()

    later: list[str] = []

    def count(plans: Any, folder: Path) -> dict[str, Any]:
        later.extend(plan.video_id for plan in plans)
        return draw_videos(plans, folder)

    monkeypatch.setattr(kitchen, "draw_videos", count)
    kitchen.build(SETTINGS, tmp_path / "raw", workers=1)
    assert drawn
    assert later
    assert not set(drawn) & set(later)
    assert files(built) == files(tmp_path / "raw")


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be even"):
        kitchen.plan_videos(SETTINGS.model_copy(update={"width": 97}))


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_moves_and_shows_its_ingredient(action: str) -> None:
    """Frames of a step differ, and in the centre square another ingredient gives another picture."""
    ingredients = [name for name in INGREDIENTS if allowed(action, name)]
    for vessel in VESSELS[action]:
        centres = []
        for ingredient in ingredients:
            random = generator("fixed")
            step = Step(action, ingredient, vessel, ATTRIBUTES[action][0])
            shot = open_shot(step, "oak", take=Take.draw(random), random=random)
            frames = [np.asarray(shot.frame(t, 2 * t, size=(192, 144)), dtype=float) for t in (0.1, 0.9)]
            assert np.abs(frames[0] - frames[1]).max() > 30
            centres.append(frames[0][:, 24:168])
        for first in range(len(centres)):
            for second in range(first):
                changed = np.abs(centres[first] - centres[second]).max(axis=-1) > 30
                assert changed.mean() > 0.01
