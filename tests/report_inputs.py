"""Small folders of metrics and predictions in the pipeline's own layout, for the tests of the report."""

import base64
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from pipeline.atomic import read_json, write_json, write_text
from pipeline.metrics import score_row, signature
from pipeline.params import Chosen
from pipeline.report.page import write_report
from pipeline.report.results import Results, load_results

# row: title, encoder, tuning, visual, control of, feature width, share of words that go wrong
Described = tuple[str, str, str, str, str | None, int | None, float]
SYSTEMS: dict[str, Described] = {
    "clipsum_swapped": ("ClipSum, swapped frames", "clip_vit_b32", "frozen", "swapped", "clipsum", 128, 0.45),
    "zucchini": ("A user's own system", "clip_vit_b32", "frozen", "own", None, 128, 0.35),
    "clipsum_finetuned": ("ClipSum, fine-tuned", "clip_vit_b32", "finetuned", "own", None, 128, 0.20),
    "clipsum": ("ClipSum", "clip_vit_b32", "frozen", "own", None, 128, 0.18),
    "resnet152": ("BART + ResNet-152", "resnet152", "frozen", "own", None, 256, 0.30),
    "bart": ("BART (text only)", "none", "none", "none", None, None, 0.42),
}
TABLE: dict[str, Described] = {
    "random_visual": ("BART + random visual", "random_vit_b32", "frozen", "own", None, 128, 0.41),
    "clipsum_zeros": ("ClipSum, zeros", "clip_vit_b32", "frozen", "zeros", "clipsum", 128, 0.18),
}
SYSTEM_ORDER = ["bart", "t5", "ha", "mffg", "vg_bart", "random_visual", "resnet152", "clipsum", "clipsum_finetuned"]
FOODS = ("onion", "tomato", "carrot", "garlic", "pepper", "potato", "leek", "mushroom", "courgette", "spinach")
ACTIONS = ("chop", "fry", "boil", "grate", "bake", "mix", "peel", "roast")
CHOSEN = Chosen(train="of two rates, by validation", finetune="of three rates, by validation")
PROTOCOL = {
    "train.epochs": 16, "train.patience": 3, "train.batch_size": 8, "train.accumulation": 2, "train.weight_decay": 1e-5,
    "train.betas": [0.9, 0.999], "train.decay_factor": 0.95, "train.decay_every": 10, "train.clip_norm": 1.0,
    "train.validation_beams": 1, "model.dropout": 0.1, "model.fusion_layer": 5, "frames.count": 6,
}  # fmt: skip


def jpeg(red: int, green: int) -> str:
    stream = io.BytesIO()
    Image.new("RGB", (96, 72), (red, green, 90)).save(stream, "JPEG")
    return base64.b64encode(stream.getvalue()).decode()


def names(videos: int) -> list[str]:
    return [f"kitchen_test_{number:04d}" for number in range(videos)]


def references(videos: int) -> dict[str, str]:
    generator = random.Random(1)
    found = {}
    for video in names(videos):
        foods, actions = generator.sample(FOODS, 3), generator.sample(ACTIONS, 3)
        first = f"{actions[0].capitalize()} the {foods[0]} and {actions[1]} the {foods[1]} in a pan."
        found[video] = f"{first} Then {actions[2]} the {foods[2]}."
    return found


def write_row(
    folder: Path, row: str, described: Described, *, videos: int = 12, seeds: tuple[int, ...] = (0, 1), name: str | None = None,
    **changes: object,
) -> None:  # fmt: skip
    """Predictions that are the references with noise, and their metrics, as `name` (default: the row's own)."""
    title, encoder, tuning, visual, control_of, width, wrong = described
    generator = random.Random(f"{name or row}")
    lines = []
    for seed in seeds:
        for video, reference in references(videos).items():
            words = [generator.choice(FOODS) if generator.random() < wrong else word for word in reference.split()]
            lines.append({"video_id": video, "seed": seed, "prediction": " ".join(words), "reference": reference})
    write_text(folder / "predictions" / f"{name or row}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    history = {
        str(seed): [
            {
                "epoch": epoch,
                "train_loss": 4 * 0.7**epoch + 0.3,
                "val_loss": 4 * 0.72**epoch + 0.6 + 0.1 * seed,
                "val_rouge2": (40 - 3 * seed) * (1 - wrong) * (1 - 0.6 ** (epoch + 1)),
                "lr": 5e-4,
                "seconds": 3.2,
            }
            for epoch in range(5)
        ]
        for seed in seeds
    }
    optimised: dict[str, Any] = {"pretrained": {"parameters": 475_648, "rate": 0.001}}
    if tuning != "none":
        optimised["new"] = {"parameters": 204_480, "rate": 0.0005}
    if tuning == "finetuned":
        optimised["tower"] = {"parameters": 400_000, "rate": 0.0001, "blocks": ["transformer.resblocks.2"]}
    write_json(folder / "metrics" / f"{name or row}.json", {
        "row": row, "title": title, "model": "bart" if row == "bart" else "clipsum", "text": "bart", "encoder": encoder,
        "tuning": tuning, "control_of": control_of, "visual": visual, "study": "kitchen", "scale": "mini", "split": "test",
        "n_videos": videos, "seeds": list(seeds), "feature_width": width,
        "truncated": {"sources": 2 if row == "clipsum" else 0, "targets": 0},
        "parameters": {"trainable": 1_204_480, "total": 1_904_480},
        "metrics": score_row(pd.DataFrame(lines), resamples=100, seed=0), "signature": signature(),
        "selection": {seed: {"best_epoch": 4, "val_rouge2": curve[-1]["val_rouge2"]} for seed, curve in history.items()},
        "history": history, "protocol": PROTOCOL, "optimised": optimised, "inputs": {"corpus": "abc", "text_model": "def"},
    } | changes)  # fmt: skip


def make_inputs(folder: Path) -> Path:
    """The rows of `make demo` in `folder`, two of `make table` in `folder/table`, and what goes with them."""
    for row, described in SYSTEMS.items():
        write_row(folder, row, described)
    for row, described in TABLE.items():
        write_row(folder / "table", row, described)
    lost = [{"video_id": "kitchen_train_0007", "split": "train", "reason": "the file ends in the middle of a frame"}]
    coverage = {
        name: {"asked": n, "ok": n - lost, "failed": lost}
        for name, n, lost in (("train", 40, 1), ("validation", 8, 0), ("test", 12, 0))
    }
    texts = {name: {"steps": counts["ok"], "transcript": counts["ok"] - 1} for name, counts in coverage.items()}
    corpus = {"study": "kitchen", "dataset": "kitchen", "splits": "", "coverage": coverage, "texts": texts, "lost": lost}
    write_json(folder / "metrics" / "corpus.json", corpus)
    frames = {"asked": 59, "ok": 59, "failed": 0, "frames": 708, "count": 12, "per_split": {}, "lost": [], "notes": []}
    write_json(folder / "metrics" / "frames.json", frames)
    boards = {video: [jpeg(20 * number, 40 * shot) for shot in range(4)] for number, video in enumerate(names(12))}
    write_json(folder / "metrics" / "storyboards.json", boards)
    write_json(folder / "metrics" / "sources.json", {video: f"narration of {video}" for video in names(12)})
    cost = {
        "latency_ms": 164.2,
        "latency_quartiles_ms": [151.0, 170.4],
        "memory_mb": 41.3,
        "tower_ms": 12.5,
        "training_seconds": 52.1,
    }
    rows = {"clipsum": cost, "bart": cost | {"tower_ms": None}}
    write_json(folder / "metrics" / "costs.json", {"device": "cpu", "threads": 2, "rows": rows})
    return folder


def add_ablation(folder: Path, name: str, *, group: str, setting: str, overrides: dict[str, object], **changes: Any) -> None:
    """An ablation of `clipsum` with the overridden protocol; `changes` go into its metrics file."""
    about = {"group": group, "setting": setting, "overrides": overrides}
    noise = (*SYSTEMS["clipsum"][:-1], 0.3)
    values = {"ablation": about, "protocol": PROTOCOL | overrides} | changes
    for kind in ("metrics", "predictions"):
        (folder / kind / "ablations").mkdir(exist_ok=True)
    write_row(folder, "clipsum", noise, name=f"ablations/{name}", **values)


def load(inputs: Path, *, table: bool = False) -> Results:
    return load_results([inputs, inputs / "table"] if table else [inputs])


def write(inputs: Path, out: Path, *, table: bool = False) -> Path:
    write_report(folders=[inputs, inputs / "table"] if table else [inputs], out=out, resamples=200, chosen=CHOSEN)
    return out


def change_metrics(inputs: Path, row: str, change: Callable[[dict[str, Any]], object]) -> None:
    value = read_json(inputs / "metrics" / f"{row}.json")
    change(value)
    write_json(inputs / "metrics" / f"{row}.json", value)


def change_lines(inputs: Path, row: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
    path = inputs / "predictions" / f"{row}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def rescore(inputs: Path, row: str) -> None:
    """Make the metrics file agree with predictions that were changed."""
    frame = pd.DataFrame([json.loads(line) for line in (inputs / "predictions" / f"{row}.jsonl").read_text().splitlines()])
    change_metrics(inputs, row, lambda value: value.update(metrics=score_row(frame, resamples=100, seed=0)))
