"""A handful of drawn videos of real length and size, in the layout of `data/inputs/youcook2/`.

A few files are drawn and every annotated video is one of them under a name of its own, so that decoding costs what it costs and
drawing does not. Texts differ from video to video; their steps and summaries are about as long as YouCook2's.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.base.code import code_digest
from pipeline.base.files import write_json, write_json_lines, write_text
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import fingerprint, link_or_copy
from pipeline.corpus.kitchen import FIRST_RECIPE_TYPE
from pipeline.corpus.youcook2 import ANNOTATIONS, held_out_split
from pipeline.kitchen.grammar import DISHES, Recipe, draw_recipes, step_sentences, summarise
from pipeline.kitchen.video import VideoPlan, draw_videos

SEED = 5
RECIPES = 3  # told one after another in a video: ten steps of nine words, as YouCook2 has about eight
SUMMARISED = 2
PAUSE = 0.2  # of a step's share of the video nothing is annotated


@dataclass(frozen=True)
class Handful:
    """How many videos each split has, and what a drawn file is like. One file is drawn for each of `lengths`, in seconds."""

    train: int = 16  # a whole batch
    validation: int = 2
    test: int = 2
    lengths: tuple[int, ...] = (180, 220, 260, 300)
    size: tuple[int, int] = (640, 360)
    fps: int = 25

    @property
    def videos(self) -> int:
        return self.train + self.validation + self.test


def draw_files(handful: Handful, work: Path, *, workers: int) -> list[Path]:
    """The drawn files, one for each length; those that are there are kept."""
    recipes = [_joined(told) for told in _told(len(handful.lengths))]
    plans = []
    for number, (recipe, seconds) in enumerate(zip(recipes, handful.lengths, strict=True)):
        frames, steps = seconds * handful.fps, len(recipe.steps)
        counts = tuple(frames * (step + 1) // steps - frames * step // steps for step in range(steps))
        plans.append(VideoPlan(f"drawn_{number}", recipe, counts, SEED, handful.size, handful.fps))
    key = fingerprint(handful.lengths, handful.size, handful.fps, SEED, code_digest("pipeline.rehearsal.videos"))
    folder, shards = work / f"drawn-{key}", split_into_shards(plans, size=1, suffix="")
    run_shards(draw_videos, shards, folder=folder, workers=workers, unit="video", title="draw videos")
    return [folder / shard.name / f"{plan.video_id}.mp4" for shard, plan in zip(shards, plans, strict=True)]


def write_inputs(handful: Handful, files: Sequence[Path], folder: Path) -> None:
    """Annotations, recipe names, reference summaries and videos (hard links), for stage `download` to find."""
    names, recipes = _names(handful), _told(handful.videos)
    database: dict[str, Any] = {}
    summaries = []
    shutil.rmtree(folder / "videos", ignore_errors=True)
    (folder / "videos").mkdir(parents=True)
    for number, ((video_id, subset), told) in enumerate(zip(names.items(), recipes, strict=True)):
        place = number % len(files)
        link_or_copy(files[place], folder / "videos" / f"{video_id}.mp4")
        database[video_id] = {
            "duration": float(handful.lengths[place]),
            "subset": subset,
            "recipe_type": str(FIRST_RECIPE_TYPE + DISHES.index(told[0].dish)),
            "annotations": _steps(_joined(told), handful.lengths[place]),
            "video_url": f"https://www.youtube.com/watch?v={video_id}",
        }
        summaries.append({"video_id": video_id, "summary": " ".join(summarise(recipe) for recipe in told[:SUMMARISED])})
    write_json(folder / ANNOTATIONS, {"database": database})
    recipe_types = "".join(f"{FIRST_RECIPE_TYPE + number},{dish}\n" for number, dish in enumerate(DISHES))
    write_text(folder / "label_foodtype.csv", recipe_types)
    write_json_lines(folder / "summaries.jsonl", summaries)


def _told(count: int) -> list[list[Recipe]]:
    """For each video the recipes that are told in it, one after another."""
    drawn = draw_recipes(RECIPES * count, seed=SEED, bucket="train")
    return [drawn[start : start + RECIPES] for start in range(0, len(drawn), RECIPES)]


def _joined(recipes: Sequence[Recipe]) -> Recipe:
    """One long recipe."""
    return replace(recipes[0], steps=tuple(step for recipe in recipes for step in recipe.steps))


def _steps(recipe: Recipe, seconds: int) -> list[dict[str, Any]]:
    sentences = step_sentences(recipe)
    share = seconds / len(sentences)
    return [
        {"segment": [round(share * number), round(share * (number + 1 - PAUSE))], "id": number, "sentence": sentence}
        for number, sentence in enumerate(sentences)
    ]


def _names(handful: Handful) -> dict[str, str]:
    """Eleven characters each, as on YouTube, and the official subset; the study halves validation by a hash of the name."""
    lacking = {"train": handful.train, "validation": handful.validation, "test": handful.test}
    names: dict[str, str] = {}
    number = 0
    while any(lacking.values()):
        video_id = f"rehearse{number:03d}"
        split = "train" if lacking["train"] else held_out_split(video_id)
        if lacking[split]:
            lacking[split] -= 1
            names[video_id] = "training" if split == "train" else "validation"
        number += 1
    return names
