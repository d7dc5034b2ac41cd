"""From a 5-minute 360p video to its summary, by part, beside the released code's way of doing the same parts.

`python -m benchmarks.summary`. At mini size with the trained row `clipsum` of the study in params.yaml, at full size on random
weights. Ours is what `make summarise` runs, timed by its own clock. The released code's way, with the same weights, frames, text
and number of tokens: OpenCV with a seek for each frame, the frames embedded in one batch, and the same beam search without the
key/value cache, so that every step reads all tokens before it again. The two take turns, so that a slow moment of the machine
meets both. The video is that of `benchmarks.sampling`, drawn once.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.random_row import random_row
from benchmarks.sampling import HEIGHT, SECONDS, WIDTH, long_video, seek_per_frame
from pipeline.base.device import mixed_precision
from pipeline.base.params import Params, load_params
from pipeline.corpus.table import Video, with_texts
from pipeline.features.frame_inputs import FrameInputs
from pipeline.inference.files import KNOWN, Source, as_corpus
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import TrainedRow, open_row
from pipeline.kitchen.grammar import draw_recipes, step_sentences
from pipeline.training.batches import read_examples
from pipeline.training.generation import summarise

WORK = Path(".scratch/bench")
ROW, RECIPES = "clipsum", 3  # so many recipes have as many steps as a video of YouCook2
PARTS = {"decode": "sample frames", "embed": "embed them", "generate": "generate"}


@dataclass
class Way:
    """One way from the video to its summary: seconds of each part, a list over rounds, and the tokens it gave."""

    work: Callable[[], Mapping[str, float]]
    seconds: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})
    tokens: list[list[int]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="at full size; three times as many at mini; one more is not timed")
    parser.add_argument("--size", nargs="+", choices=("mini", "full"), default=("mini", "full"))
    arguments = parser.parse_args()
    params = load_params()
    rows: dict[str, Callable[[], TrainedRow]] = {"mini": lambda: _mini(params), "full": lambda: random_row(params, WORK)}
    video = long_video()
    print(f"a video of {SECONDS} s, {WIDTH}x{HEIGHT}; {torch.get_num_threads()} threads; medians of wall-clock seconds\n")
    for size in arguments.size:
        rounds = arguments.rounds if size == "full" else 3 * arguments.rounds
        print(table(size, rows[size](), video, params, rounds=rounds), flush=True)


def _mini(params: Params) -> TrainedRow:
    try:
        row = open_row(ROW, params)
    except FileNotFoundError as error:
        sys.exit(f"{error}\nthe mini size is measured on the trained row {ROW}: run `make demo` first, or give --size full")
    if row.study.scale != "mini":
        sys.exit(f"params.yaml: study {row.study_name} is not of mini size; set it to kitchen and run `make demo`")
    return row


def table(size: str, trained: TrainedRow, video: Path, params: Params, *, rounds: int) -> str:
    """The lines of one size: medians over rounds, and of the ratio of both ways in a round the median, least and greatest."""
    steps = tuple(step for recipe in draw_recipes(RECIPES, seed=0, bucket="train") for step in step_sentences(recipe))
    source = Source(Video("video", "test", str(video), summary="-", steps=steps, transcript=" ".join(steps)), KNOWN)
    ways = {
        "released": Way(lambda: as_released(trained, video, source)),
        "ours": Way(lambda: summarised(trained, video, source, params)),
    }
    for number in range(rounds + 1):
        for name, way in ways.items():
            with generating(trained, cached=name == "ours") as given:
                parts = way.work()
            if number:  # the first round loads libraries and files
                way.tokens += given
                for part in PARTS:
                    way.seconds[part].append(parts[part])
    told = trained.study.generate
    same = ways["released"].tokens == ways["ours"].tokens
    length = len(ways["ours"].tokens[0])
    return "\n".join(
        [
            f"{size} size: {trained.study.frames.count} frames, {length} tokens, beam {told.beams}, {rounds} rounds, "
            f"the same tokens both ways: {'yes' if same else 'NO'}\n",
            "| part | released way (s) | here (s) | times as fast | from round to round |",
            "|---|---|---|---|---|",
            *(_line(title, *(way.seconds[part] for way in ways.values())) for part, title in PARTS.items()),
            _line("all", *([sum(parts) for parts in zip(*way.seconds.values(), strict=True)] for way in ways.values())),
            "",
        ]
    )


def _line(title: str, released: Sequence[float], ours: Sequence[float]) -> str:
    ratios = [before / now for before, now in zip(released, ours, strict=True)]
    middle = f"{statistics.median(released):.3f} | {statistics.median(ours):.3f} | {statistics.median(ratios):.2f}"
    return f"| {title} | {middle} | {min(ratios):.2f}–{max(ratios):.2f} |"


def summarised(trained: TrainedRow, video: Path, source: Source, params: Params) -> Mapping[str, float]:
    """As `make summarise` does it; seconds of each part."""
    found = summarise_video(trained, video, source, params)
    assert not found.reason, found.reason
    return found.parts


@torch.inference_mode()
def as_released(trained: TrainedRow, video: Path, source: Source) -> Mapping[str, float]:
    """As the released code does it; seconds of each part."""
    assert trained.encoder is not None
    marks = [time.perf_counter()]
    images = [Image.fromarray(image) for image in seek_per_frame(video, count=trained.study.frames.count)]
    marks.append(time.perf_counter())
    with mixed_precision(trained.device):
        features = trained.encoder.encode(torch.from_numpy(trained.encoder.preprocess(images)).to(trained.device))
    values = features.float().cpu().numpy()
    marks.append(time.perf_counter())
    seen = FrameInputs(values, {"video": 0}, {"video": len(values)}, max_frames=trained.study.frames.count, footer={})
    text, reads = trained.study.text, trained.row.source(trained.study)
    examples = read_examples([with_texts(as_corpus(source.video), source=reads)], text=text, tokenizer=trained.tokenizer)
    summarise(
        trained.system, examples, seen, tokenizer=trained.tokenizer, settings=trained.study.generate,
        device=trained.device, batch_size=1, progress=False,
    )  # fmt: skip
    marks.append(time.perf_counter())
    return {part: marks[number + 1] - marks[number] for number, part in enumerate(PARTS)}


@contextmanager
def generating(trained: TrainedRow, *, cached: bool) -> Iterator[list[list[int]]]:
    """The row's own beam search, all else alike, with or without the key/value cache; yields a list that gets its tokens."""
    text, given = trained.system.text, []
    own = text.generate

    def generate(**settings: Any) -> Any:
        ids = own(**(settings | {"use_cache": cached}))
        given.append(ids[0].tolist())
        return ids

    text.generate = generate
    try:
        yield given
    finally:
        del text.generate


if __name__ == "__main__":
    main()
