"""The dataset of the kitchen study: drawn cooking videos, laid out on disk as YouCook2 is.

Videos, annotations, transcripts and summaries all come from the plots of `pipeline.kitchen`. Nothing is downloaded.
"""

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

from pipeline.base.code import code_digest
from pipeline.base.dataset_params import KitchenDataset
from pipeline.base.files import read_json_lines, write_json, write_json_lines, write_text
from pipeline.base.paths import RAW
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import fingerprint, link_or_copy, publish, scratch_folder
from pipeline.corpus.annotations import SUBSETS, Annotation, Malformed, read_annotations
from pipeline.corpus.summaries import read_summaries
from pipeline.corpus.table import DRAWN, SPLITS, Video
from pipeline.kitchen.grammar import DISHES, generator
from pipeline.kitchen.plots import Plot, draw_plots, narration, sentences, summary
from pipeline.kitchen.video import VideoPlan, draw_videos

FIRST_RECIPE_TYPE = 101  # YouCook2 counts from here
SHARD_SIZE = 8
TEXTS = ("annotations.json", "entities.jsonl", "label_foodtype.csv", "summaries.jsonl", "transcripts", "transcripts_named")


def plan_videos(settings: KitchenDataset) -> list[VideoPlan]:
    """One plan per video, sorted by id. Ids are shuffled, so they reveal neither split nor dish.

    Raises `ValueError` when the size is odd (H.264 with halved colour needs even sides) or the grammar has too few recipes.
    """
    if settings.width % 2 or settings.height % 2:
        raise ValueError(f"dataset.width {settings.width} and dataset.height {settings.height}: both must be even")
    wanted = {"train": settings.train, "validation": settings.validation, "test": settings.test}
    domains = {"train": settings.trained_on, "validation": settings.trained_on, "test": settings.tested_on}
    plots = [
        plot for split in SPLITS for plot in draw_plots(wanted[split], seed=settings.seed, bucket=split, domain=domains[split])
    ]
    generator(settings.seed, "order").shuffle(plots)
    return [_plan(f"kitchen_{number:06d}", plot, settings) for number, plot in enumerate(plots)]


def build(settings: KitchenDataset, out: Path, *, workers: int) -> list[Video]:
    """Draw every video and write the dataset to `out`, replacing what is there; returns the rows of the corpus.

    Written: `annotations.json` and `label_foodtype.csv` in YouCook2's layouts, `transcripts/<id>.txt` (one sentence per line),
    the same with every mention named in `transcripts_named/`, `summaries.jsonl`, `entities.jsonl` (the ingredients) and
    `videos/<id>.mp4`. Resumes where an earlier, killed run with the same settings stopped.
    """
    plans = plan_videos(settings)
    shards = split_into_shards(plans, size=SHARD_SIZE, suffix="")
    drawn = settings.model_dump(exclude={"deictic_share", "max_failed_share"})  # what the drawings depend on
    with scratch_folder("download", fingerprint(drawn, code_digest("pipeline.corpus.kitchen"))) as scratch:
        run_shards(draw_videos, shards, folder=scratch, workers=workers, unit="video", title="draw")
        _gather([scratch / shard.name for shard in shards], scratch / "videos")
        _write_texts(plans, settings, scratch)
        names = [*TEXTS, "videos"]
        publish(scratch, names, out)
    return read_dataset(out)


def read_videos(settings: KitchenDataset, *, workers: int) -> list[Video]:
    """Draw the dataset into `data/raw`."""
    return build(settings, RAW, workers=workers)


def read_dataset(folder: Path) -> list[Video]:
    """Corpus rows of a dataset that `build` wrote; `video_path` is below `folder`."""
    summaries = read_summaries(folder / "summaries.jsonl")
    annotations = read_annotations(folder / "annotations.json", recipes=folder / "label_foodtype.csv")
    entities = {row["video_id"]: row["entities"] for _, row in read_json_lines(folder / "entities.jsonl")}
    assert not any(isinstance(annotation, Malformed) for annotation in annotations), "this project wrote the file itself"
    return [
        Video(
            video_id=annotation.video_id,
            split=annotation.split,
            video_path=(folder / "videos" / f"{annotation.video_id}.mp4").as_posix(),
            recipe=annotation.recipe,
            duration_seconds=annotation.duration_seconds,
            steps=annotation.steps,
            segments=annotation.segments,
            transcript=_joined(folder / "transcripts" / f"{annotation.video_id}.txt"),
            transcript_origin=DRAWN,
            transcript_named=_joined(folder / "transcripts_named" / f"{annotation.video_id}.txt"),
            entities=tuple(entities[annotation.video_id]),
            summary=summaries[annotation.video_id],
        )
        for annotation in annotations
        if isinstance(annotation, Annotation)
    ]


def _joined(path: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8").splitlines())


def _plan(video_id: str, plot: Plot, settings: KitchenDataset) -> VideoPlan:
    random: Random = generator(settings.seed, "lengths", plot.key)
    counts = tuple(max(1, round(settings.fps * random.uniform(1.5, 2.0))) for _ in plot.scenes)
    return VideoPlan(video_id, plot, counts, settings.seed, (settings.width, settings.height), settings.fps)


def _gather(shards: Sequence[Path], folder: Path) -> None:
    """Link the videos of all shards into one folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for shard in shards:
        for video in shard.iterdir():
            link_or_copy(video, folder / video.name)


def _write_texts(plans: Sequence[VideoPlan], settings: KitchenDataset, folder: Path) -> None:
    subsets = {split: subset for subset, split in SUBSETS.items()}
    dishes = [*DISHES, *sorted({plan.plot.dish for plan in plans}.difference(DISHES))]
    database = {}
    summaries, entities = [], []
    for plan in plans:
        plot = plan.plot
        database[plan.video_id] = {
            "duration": plan.duration_seconds,
            "subset": subsets[plot.bucket],
            "recipe_type": str(FIRST_RECIPE_TYPE + dishes.index(plot.dish)),
            "annotations": [
                {"segment": list(segment), "id": number, "sentence": sentence}
                for number, (segment, sentence) in enumerate(zip(plan.segments, sentences(plot), strict=True))
            ],
            "video_url": "",
        }
        for name, share in (("transcripts", settings.deictic_share), ("transcripts_named", 0.0)):
            spoken = narration(plot, seed=settings.seed, deictic_share=share)
            write_text(folder / name / f"{plan.video_id}.txt", "\n".join(spoken) + "\n")
        entities.append({"video_id": plan.video_id, "entities": list(plot.ingredients)})
        summaries.append({"video_id": plan.video_id, "summary": summary(plot)})
    write_json(folder / "annotations.json", {"database": database})
    write_json_lines(folder / "summaries.jsonl", summaries)
    write_json_lines(folder / "entities.jsonl", entities)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows((FIRST_RECIPE_TYPE + number, dish) for number, dish in enumerate(dishes))
    write_text(folder / "label_foodtype.csv", table.getvalue())
