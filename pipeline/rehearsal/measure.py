"""What a row costs, measured in a process of its own on the checkpoint and the data that the pipeline has made.

A step is one batch of the study's size, forward and backward, and its share of the optimiser's update. A summary has as many
tokens as the study allows, whatever random weights would say: the longest case. `from file` begins with the video file: it is
decoded, its frames are embedded, and the system summarises. Operations are PyTorch's own count.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.code import code_digest
from pipeline.base.files import read_json, write_json

STEPS, SUMMARIES = 2, 2  # timed, after one more of each that is not


@dataclass(frozen=True)
class RowCost:
    """Seconds, unless the name says otherwise; `teraflop` is 10^12 operations. None: the row does nothing of the kind.

    `load`: reading a batch of frames. `decode`, `embed`, `summarise` make up `from_file`. `forward_teraflop`: the system alone, a
    video; `encoder_teraflop`: embedding one frame with a frozen encoder.
    """

    name: str
    title: str
    encoder: str | None
    tuning: str
    trainable: int
    total: int
    step: float
    load: float
    step_teraflop: float
    forward_teraflop: float
    encoder_teraflop: float | None
    source_tokens: int
    target_tokens: int
    decode: float | None
    embed: float | None
    summarise: float
    from_file: float | None


def measure_row(name: str, project: Path, out: Path) -> RowCost:
    """Measure the row `name` of the copy `project`; kept in the file `out` as long as checkpoint and code are the same.

    Changes the current folder to `project`, so it belongs into a process of its own.
    """
    os.chdir(project)
    from pipeline.base.params import load_params
    from pipeline.training.table_row import checkpoint_digest, declared_row

    params = load_params()
    row = declared_row(name, encoder=params.encoder)
    made_from = {
        "checkpoint": checkpoint_digest(row, params.current.seeds),
        "code": code_digest("pipeline.rehearsal.measure", f"pipeline.models.{row.model}"),
    }
    kept = read_json(out) if out.exists() else {}
    if kept.get("made_from") != made_from:
        kept = {"made_from": made_from, "cost": _measure(row, params)}
        write_json(out, kept)
    return RowCost(**kept["cost"])


def _measure(row: Any, params: Any) -> dict[str, Any]:
    facts: dict[str, Any] = read_json(row.folder / "row.json")["parameters"]
    about = {"name": row.name, "title": row.title, "encoder": row.encoder, "tuning": row.tuning}
    return about | facts | _training(row, params) | _summaries(row, params)


def _training(row: Any, params: Any) -> dict[str, Any]:
    """Steps of a whole batch; where there are fewer videos they are repeated."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from pipeline.base.device import fix_seed
    from pipeline.training.loop import build_optimiser
    from pipeline.training.train_row import build_task

    task = build_task(row, params.current.of_row(row.name), params.runtime)
    fix_seed(params.current.seeds[0])
    system = task.create().to(task.device).train()
    optimiser = build_optimiser(system, task.settings, task.finetune)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    size = task.settings.batch_size
    rows = [number % len(task.train) for number in range(size)]
    batch = task.train.batch(rows, task.frame_inputs).to(task.device)

    def learn() -> None:
        system(batch).backward()

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, task.settings.clip_norm)
        optimiser.step()

    learning = _seconds(learn, repeats=STEPS)
    updating = _seconds(update, repeats=STEPS)
    optimiser.zero_grad(set_to_none=True)
    loading = _seconds(lambda: task.train.batch(rows, task.frame_inputs), repeats=STEPS)
    with sdpa_kernel(SDPBackend.MATH):  # as plain products, which the counter knows
        step_teraflop = _teraflop(learn)
        with torch.no_grad():
            system.eval()
            forward_teraflop = _teraflop(lambda: system(batch)) / size
    assert batch.labels_BL is not None
    return {
        "step": round(learning + updating / task.settings.accumulation, 3),
        "load": round(loading, 5),
        "step_teraflop": round(step_teraflop, 6),
        "forward_teraflop": round(forward_teraflop, 7),
        "source_tokens": round(statistics.fmean(len(ids) for ids in task.train.sources)),
        "target_tokens": round(statistics.fmean(len(ids) for ids in task.train.targets)),
    }


def _summaries(row: Any, params: Any) -> dict[str, Any]:
    """From test videos' files, where the row sees pictures; else from features that lie there, or from text alone."""
    import torch

    from pipeline.base.device import choose_device
    from pipeline.base.encoder_names import ORACLE
    from pipeline.base.paths import CORPUS
    from pipeline.corpus.table import read_corpus, usable_parts
    from pipeline.encoders.encoder import load_encoder
    from pipeline.models.parts.summarizer import load
    from pipeline.training.batches import load_tokenizer, read_examples
    from pipeline.training.table_row import open_frame_inputs

    study, device = params.current, choose_device(params.runtime.device)
    corpus, parts = read_corpus(CORPUS, ("video_id", "video_path")), usable_parts(CORPUS, "test", source=row.source(study))
    examples = read_examples(parts, text=study.text, tokenizer=load_tokenizer(row.tokenizer))
    system = load(row.folder / str(study.seeds[0])).to(device).eval()
    system.text.generation_config.min_length = study.generate.max_tokens
    seen = open_frame_inputs(row)
    files = dict(zip(corpus["video_id"], corpus["video_path"], strict=True))
    pictures = row.encoder not in (None, ORACLE)
    encoder = load_encoder(row.encoder_weights) if pictures else None
    runs: dict[str, list[float]] = {"decode": [], "embed": [], "summarise": []}
    with torch.inference_mode():
        for number in range(1 + SUMMARIES):
            video_id = examples.video_ids[number % len(examples)]
            shown = seen
            if encoder is not None:
                started = time.perf_counter()
                pixels = _pixels(Path(files[video_id]), encoder, study)
                runs["decode"].append(time.perf_counter() - started)
                started = time.perf_counter()
                frozen = system.image_encoder is None
                shown = _as_inputs(video_id, encoder.encode(pixels.to(device)).cpu() if frozen else pixels)
                if frozen:
                    runs["embed"].append(time.perf_counter() - started)
            batch = examples.batch([number % len(examples)], shown).to(device)
            started = time.perf_counter()
            system.generate(batch, study.generate)
            runs["summarise"].append(time.perf_counter() - started)
    taken = {part: round(statistics.median(seconds[1:]), 3) if seconds else None for part, seconds in runs.items()}
    frozen_teraflop = None
    if encoder is not None and system.image_encoder is None:
        with torch.no_grad():
            frozen_teraflop = round(_teraflop(lambda: encoder.encode(pixels[:1])), 7)
    from_file = round(sum(seconds for seconds in taken.values() if seconds), 3) if pictures else None
    return taken | {"from_file": from_file, "encoder_teraflop": frozen_teraflop}


def _pixels(path: Path, encoder: Any, study: Any) -> Any:
    """The study's frames of a file as uint8 pixels [M, 3, H, W]."""
    import torch
    from PIL import Image

    from pipeline.frames.decoding import sample_video

    sampled = sample_video(path, count=study.frames.count, short_side=study.frames.short_side)
    return torch.from_numpy(encoder.preprocess([Image.fromarray(frame.image) for frame in sampled.frames]))


def _as_inputs(video_id: str, values: Any) -> Any:
    from pipeline.features.frame_inputs import FrameInputs

    frames = len(values)
    return FrameInputs(values.numpy(), {video_id: 0}, {video_id: frames}, max_frames=frames, footer={})


def _seconds(work: Callable[[], object], *, repeats: int) -> float:
    """Median over `repeats` runs, after one that is not counted."""
    seconds = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _teraflop(work: Callable[[], object]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 1e12
