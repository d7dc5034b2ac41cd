"""Small folders of metrics and predictions in the pipeline's own layout, for the tests of the report."""

import base64
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.base.files import read_json, write_json, write_json_lines, write_text
from pipeline.base.params import Chosen
from pipeline.base.paths import CORPUS, COSTS, STORYBOARDS
from pipeline.base.scratch import file_sha256
from pipeline.corpus.entities import entities_in
from pipeline.corpus.table import Video, write_corpus
from pipeline.report.load import load_results
from pipeline.report.results import Results
from pipeline.report.write import write_report
from pipeline.scoring.entity import Entities
from pipeline.scoring.metrics import signatures
from pipeline.scoring.predictions import read_predictions
from pipeline.scoring.score import score_row

# row: title, encoder, tuning, frames, control of, feature width, share of words that go wrong
Described = tuple[str, str | None, str, str, str | None, int | None, float]
SYSTEMS: dict[str, Described] = {
    "clipsum_swapped": ("ClipSum, frames of another video", "clip_vit_b32", "frozen", "swapped", "clipsum", 128, 0.45),
    "zucchini": ("A user's own system", "clip_vit_b32", "frozen", "own", None, 128, 0.35),
    "clipsum_finetuned": ("ClipSum, fine-tuned", "clip_vit_b32", "finetuned", "own", None, 128, 0.20),
    "clipsum": ("ClipSum", "clip_vit_b32", "frozen", "own", None, 128, 0.18),
    "resnet152": ("BART + ResNet-152", "resnet152", "frozen", "own", None, 256, 0.30),
    "bart": ("BART (text only)", None, "none", "none", None, None, 0.42),
}
MORE: dict[str, Described] = {
    "random_visual": ("BART + random visual", "random_vit_b32", "frozen", "own", None, 128, 0.41),
    "clipsum_zeros": ("ClipSum, zeros", "clip_vit_b32", "frozen", "zeros", "clipsum", 128, 0.18),
}
SYSTEM_ORDER = ["bart", "t5", "ha", "mffg", "vg_bart", "random_visual", "resnet152", "clipsum", "clipsum_finetuned"]
FOODS = ("onion", "tomato", "carrot", "garlic", "pepper", "potato", "leek", "mushroom", "courgette", "spinach")
ACTIONS = ("chop", "fry", "boil", "grate", "bake", "mix", "peel", "roast")
PRIMARY = {"metric": "rouge1", "margin": 1.0}
CHECKPOINTS = "1234e5678901234"  # looks like a number, and must not be read as one
MADE_FROM = {"corpus": "abc", "text_model": "def", "encoder": "ghi", "seen": "jkl", "code": "mno", "checkpoints": CHECKPOINTS}
CHOSEN = Chosen(train="of two rates, by validation", finetune="of three rates, by validation")
SETTINGS = {
    "train.epochs": 16, "train.patience": 3, "train.batch_size": 8, "train.accumulation": 2, "train.weight_decay": 1e-5,
    "train.betas": [0.9, 0.999], "train.decay_factor": 0.95, "train.decay_every": 10, "train.clip_norm": 1.0,
    "train.select": "rouge2", "train.validation_beams": 1, "model.dropout": 0.1, "model.fusion_layer": 5, "frames.count": 6,
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
    """Predictions that are the references with noise, and their record, as `name` (default: the row's own)."""
    title, encoder, tuning, frames, control_of, width, wrong = described
    generator = random.Random(f"{name or row}")
    lines = []
    for seed in seeds:
        for video, reference in references(videos).items():
            words = [generator.choice(FOODS) if generator.random() < wrong else word for word in reference.split()]
            lines.append({"video_id": video, "seed": seed, "prediction": " ".join(words), "reference": reference})
    write_json_lines(folder / "predictions" / f"{name or row}.jsonl", lines)
    write_json(folder / "metrics" / f"{name or row}.json", {
        "row": row, "title": title, "kind": "system" if control_of is None else "control",
        "model": "bart" if row == "bart" else "clipsum", "text_model": "bart", "encoder": encoder, "tuning": tuning,
        "control_of": control_of, "frames": frames, "study": "kitchen", "scale": "mini", "split": "test",
        "n_videos": videos, "seeds": list(seeds), "feature_width": width,
        "parameters": {"trainable": 1_204_480, "total": 1_904_480},
        "truncated": {"sources": 2 if row == "clipsum" else 0, "targets": 0}, "primary": dict(PRIMARY),
        "signatures": signatures(), "training": training(tuning, seeds, wrong), "made_from": dict(MADE_FROM), "ablation": None,
    } | changes)  # fmt: skip
    rescore(folder, name or row)


def training(tuning: str, seeds: tuple[int, ...], wrong: float) -> dict[str, Any]:
    """How a row was trained: the worse it is, the lower its curves."""
    history = {
        str(seed): [
            {
                "epoch": epoch,
                "train_loss": 4 * 0.7**epoch + 0.3,
                "val_loss": 4 * 0.72**epoch + 0.6 + 0.1 * seed,
                "val_score": (40 - 3 * seed) * (1 - wrong) * (1 - 0.6 ** (epoch + 1)),
                "lr": 5e-4,
            }
            for epoch in range(5)
        ]
        for seed in seeds
    }
    optimised: dict[str, Any] = {"pretrained": {"parameters": 475_648, "rate": 0.001}}
    if tuning != "none":
        optimised["new"] = {"parameters": 204_480, "rate": 0.0005}
    if tuning == "finetuned":
        optimised["image_encoder"] = {"parameters": 400_000, "rate": 0.0001, "blocks": ["transformer.resblocks.2"]}
    selection = {seed: {"best_epoch": 4, "val_score": curve[-1]["val_score"]} for seed, curve in history.items()}
    before, after = {"loss": 2.5, "entropy": None, "update": None}, {"loss": 0.5, "entropy": 0.9, "update": 0.4}
    looks = {seed: {"before": before, "after": after} for seed in history}
    return {
        "select": "rouge2",
        "looks": looks,
        "selection": selection,
        "history": history,
        "settings": dict(SETTINGS),
        "optimised": optimised,
    }


def make_inputs(folder: Path) -> Path:
    """Some rows of the table in `folder`, and what goes with them."""
    for row, described in SYSTEMS.items():
        write_row(folder, row, described)
    lost = [{"video_id": "kitchen_train_0007", "split": "train", "reason": "the file ends in the middle of a frame"}]
    coverage = {
        name: {"asked": n, "ok": n - lost, "failed": lost}
        for name, n, lost in (("train", 40, 1), ("validation", 8, 0), ("test", 12, 0))
    }
    texts = {name: {"steps": counts["ok"], "transcript": counts["ok"] - 1} for name, counts in coverage.items()}
    corpus = {"study": "kitchen", "dataset": "kitchen", "splits": "", "coverage": coverage, "texts": texts, "lost": lost}
    write_json(folder / "metrics" / "corpus.json", corpus)
    frames = {"asked": 59, "ok": 59, "failed": 0, "frames": 708, "count": 12, "decoder": "PyAV", "per_split": {}, "lost": []}
    write_json(folder / "metrics" / "frames.json", frames | {"notes": [{"video_id": "kitchen_test_0002", "note": "is short"}]})
    boards = {video: [jpeg(20 * number, 40 * shot) for shot in range(4)] for number, video in enumerate(names(12))}
    write_json(folder / STORYBOARDS, boards)
    write_json(folder / "metrics" / "sources.json", {video: f"narration of {video}" for video in names(12)})
    write_costs(folder, clipsum=CHECKPOINTS, bart=CHECKPOINTS)
    return folder


def add_more_rows(folder: Path) -> None:
    """Two rows that the others do without."""
    for row, described in MORE.items():
        write_row(folder, row, described)


def add_external(folder: Path, *, name: str = "theirs", title: str = "Their system", wrong: float = 0.3) -> None:
    """A row of somebody else's outputs, of which there is one set."""
    changes = {
        "kind": "external",
        "model": "",
        "text_model": "",
        "training": None,
        "provenance": "A. Body, theirs.example, CC BY 4.0",
    }
    described: Described = (title, None, "none", "unknown", None, None, wrong)
    write_row(folder, name, described, seeds=(0,), made_from={"file": "abc", "code": "def"}, **changes)


def add_chat(folder: Path, *, name: str = "vlm", wrong: float = 0.3, **changes: Any) -> None:
    """A row of a chat model, asked once; `changes` go into what its record says of the asking."""
    kinds = {"llm_text": ("text alone", "none"), "vlm": ("text and frames", "own")}
    title, frames = kinds.get(name, ("text and another video's frames", "swapped"))
    seen = 0 if frames == "none" else 6
    asked = {
        "endpoint": "http://localhost:8000/v1", "model": "org/toy", "temperature": 0.0, "max_tokens": 50, "prompt": "{video}",
        "frames": seen, "frames_asked_for": 2 * seen, "without_frames": 0, "detail": "auto", "questions": 12, "failed": {},
        "tokens_in": 9, "tokens_out": 9, "cost": 0.0,
    }  # fmt: skip
    values = {
        "kind": "chat", "model": "", "text_model": "", "training": None, "asked": asked | changes,
        "control_of": "vlm" if frames == "swapped" else None,
    }  # fmt: skip
    described: Described = (f"toy ({title})", None, "none", frames, None, None, wrong)
    write_row(folder, name, described, seeds=(0,), made_from={"questions": "abc", "code": "def"}, **values)


def write_costs(folder: Path, **checkpoints: str) -> None:
    """`reports/costs.csv` with a line for each row named, measured of these checkpoints."""
    frames = {"bart": ""}
    lines = [
        f"{row},{digest},3,5,164.2,151.0,170.4,{frames.get(row, 12.5)},41.3,cpu,2,987.6" for row, digest in checkpoints.items()
    ]
    header = "row,checkpoints,parameters_trainable,parameters_total,latency_ms,latency_low_ms,latency_high_ms,encoder_ms,"
    header += "memory_mb,device,threads,training_seconds"
    write_text(folder / COSTS, "\n".join([header, *lines]) + "\n")


def add_ablation(folder: Path, name: str, overrides: dict[str, object], **changes: Any) -> None:
    """An ablation of `clipsum` with the overridden settings; `changes` go into its record."""
    noise = (*SYSTEMS["clipsum"][:-1], 0.3)
    trained = training("frozen", changes.get("seeds", (0, 1)), 0.3) | {"settings": SETTINGS | overrides}
    values = {"ablation": {"name": name, "overrides": overrides}, "training": trained} | changes
    write_row(folder, "clipsum", noise, name=f"ablations/{name}", **values)


def load(inputs: Path) -> Results:
    return load_results(inputs)


def write(inputs: Path, out: Path) -> Path:
    write_report(out, resamples=200, chosen=CHOSEN, page_videos=1000, root=inputs)
    return out


def change_metrics(inputs: Path, row: str, change: Callable[[dict[str, Any]], object]) -> None:
    value = read_json(inputs / "metrics" / f"{row}.json")
    change(value)
    write_json(inputs / "metrics" / f"{row}.json", value)


def change_lines(inputs: Path, row: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
    path = inputs / "predictions" / f"{row}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    write_json_lines(path, lines)


def rescore(inputs: Path, row: str) -> None:
    """Make the record agree with the predictions."""
    path = inputs / "predictions" / f"{row}.jsonl"
    of = {video: entities_in(reference, FOODS) for video, reference in references(200).items()}
    entities = Entities(of, frozenset(FOODS))
    scores, per_video = score_row(read_predictions(path), resamples=100, seed=0, entities=entities)
    scored = {
        "metrics": {name: score.model_dump() for name, score in scores.items()},
        "per_video": per_video.model_dump(),
    }

    def change(value: dict[str, Any]) -> None:
        value |= scored
        value["made_from"]["predictions"] = file_sha256(path)

    change_metrics(inputs, row, change)


def remake(inputs: Path, row: str) -> None:
    """Let the record say that its scores were made from the predictions as they are now."""
    digest = file_sha256(inputs / "predictions" / f"{row}.jsonl")
    change_metrics(inputs, row, lambda value: value["made_from"].update(predictions=digest))


def add_corpus(folder: Path) -> None:
    """The corpus of the twelve videos: their narration points to every food, and another version of it names them."""
    videos, told = [], {}
    for video, summary in references(12).items():
        foods = [food for food in FOODS if food in entities_in(summary, FOODS)]
        pointing = " ".join(f"now take this one, number {place}." for place in range(len(foods)))
        named = " ".join(f"now take the {food}, number {place}." for place, food in enumerate(foods))
        videos.append(
            Video(
                video,
                "test",
                f"{video}.mp4",
                transcript=pointing,
                transcript_origin="drawn",
                transcript_named=named,
                entities=foods,
                summary=summary,
            )
        )
        told[video] = pointing
    write_corpus(videos, folder / CORPUS)
    write_json(folder / "metrics" / "sources.json", told)


def add_attended(folder: Path) -> None:
    """ClipSum attended to the first of four frames while it named the first entity of a video, and to the next for the next. That
    is the frame that shows it, but for the video with the first id.
    """
    of = {video: sorted(entities_in(reference, FOODS)) for video, reference in references(12).items()}
    looks = {
        video: {
            "seconds": [0.0, 1.5, 3.0, 4.5],
            "named": {
                food: {"weights": [0.7 if n == place else 0.1 for n in range(4)], "shown": [3 if video == names(1)[0] else place]}
                for place, food in enumerate(foods[:3])
            },
        }
        for video, foods in of.items()
    }
    digest = file_sha256(folder / "predictions" / "clipsum.jsonl")
    write_json(folder / "metrics" / "clipsum_attended.json", {"of": "clipsum", "seed": 0, "predictions": digest, "videos": looks})
