"""Summarise the test split with a trained row and score it. The only stage, beside `floors`, that reads the test split.

python -m stages.evaluate --row clipsum --trained models/clipsum --title ClipSum
python -m stages.evaluate --row clipsum_swapped --trained models/clipsum --control swapped --title "..."

A control evaluates another row's checkpoints on other frames (`pipeline.controls`).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import tracking
from pipeline.atomic import read_json, write_json, write_text
from pipeline.batches import load_tokenizer, read_examples
from pipeline.controls import controlled
from pipeline.corpus import read_corpus
from pipeline.device import choose_device
from pipeline.generation import summarise
from pipeline.metrics import score_row, signature
from pipeline.models.summarizer import load
from pipeline.params import load_params
from pipeline.rows import CORPUS, count_parameters, input_digests, open_visual, read_row, short_digests, training_code
from pipeline.shards import Shard, discard, file_sha256, fingerprint, run_shards, scratch_folder

CONTROL_SEED = 20  # which other video's frames are shown, and in which order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", required=True)
    parser.add_argument("--trained", type=Path, required=True, help="folder of the row that was trained")
    parser.add_argument("--title", required=True)
    parser.add_argument("--control", default="none", help="none: the video's own frames")
    parser.add_argument("--folder", type=Path, default=Path(), help="where metrics/ and predictions/ are")
    arguments = parser.parse_args()
    params = load_params()
    study, name, control = params.current, arguments.row, arguments.control
    seeds_folder = arguments.trained / "seeds"
    row = read_row(seeds_folder)
    trained = read_json(seeds_folder / "row.json")
    device = choose_device(params.runtime.device)
    tokenizer = load_tokenizer(row.text_model)
    examples = read_examples(read_corpus(CORPUS), "test", text=study.text, tokenizer=tokenizer)
    visual = open_visual(row)
    if control != "none":
        if visual is None:
            raise ValueError(f"dvc.yaml, control {name}: row {row.name} looks at no frames, so there is nothing to change")
        visual = controlled(visual, examples.video_ids, control, seed=CONTROL_SEED)

    def generate(items: Sequence[Any], path: Path) -> dict[str, Any]:
        (seed,) = items
        system = load(seeds_folder / str(seed)).to(device)
        texts = summarise(
            system, examples, visual, tokenizer=tokenizer, settings=study.generate, device=device,
            batch_size=params.runtime.generation_batch_size,
        )  # fmt: skip
        lines = zip(examples.video_ids, texts, examples.references, strict=True)
        write_text(path, "".join(_line(video_id, seed, text, reference) for video_id, text, reference in lines))
        return {"seed": seed}

    seeds = [result["seed"] for result in trained["seeds"]]
    checkpoints = [file_sha256(seeds_folder / str(seed) / "model.safetensors") for seed in seeds]
    digests = input_digests(row) | {"code": training_code(row.model)}
    key = fingerprint(checkpoints, study.generate.model_dump(), study.text.model_dump(), digests, control, CONTROL_SEED)
    predictions = arguments.folder / "predictions" / f"{name}.jsonl"
    with scratch_folder(f"evaluate.{name}", key) as scratch:
        shards = [Shard(name=f"{seed}.jsonl", items=[seed]) for seed in seeds]
        run_shards(generate, shards, folder=scratch, workers=1, unit="seed", title=f"evaluate {name}")
        write_text(predictions, "".join((scratch / shard.name).read_text(encoding="utf-8") for shard in shards))
        discard(scratch)
    scores = score_row(pd.read_json(predictions, lines=True, dtype=False), resamples=study.bootstrap_resamples, seed=0)
    system = load(seeds_folder / str(seeds[0]))
    metrics = arguments.folder / "metrics" / f"{name}.json"
    write_json(
        metrics,
        {
            "row": name,
            "title": arguments.title,
            "model": row.model,
            "text": row.text_model.name,
            "encoder": row.encoder,
            "tuning": row.tuning,
            "control_of": None if control == "none" else row.name,
            "visual": "none" if visual is None else "own" if control == "none" else control,
            "study": params.study,
            "scale": study.scale,
            "split": "test",
            "n_videos": len(examples),
            "seeds": seeds,
            "feature_width": system.architecture.feature_width,
            "parameters": count_parameters(row, system),
            "truncated": examples.truncated,
            "metrics": scores,
            "signature": signature(),
            "selection": {
                str(result["seed"]): {"best_epoch": result["best_epoch"], "val_rouge2": result["val_rouge2"]}
                for result in trained["seeds"]
            },
            "history": {str(seed): read_json(seeds_folder / str(seed) / "history.json") for seed in seeds},
            "protocol": trained["protocol"],
            "optimised": trained["optimised"],
            "inputs": short_digests(row, digests),
        },
    )
    _track(params.study, name, arguments.trained, trained, scores, [predictions, metrics], control=control)
    print(
        f"{name}: n {len(examples)}, " + ", ".join(f"{key} {scores[key]['mean']:.2f}" for key in ("rouge1", "rouge2", "rougeL"))
    )


def _line(video_id: str, seed: int, prediction: str, reference: str) -> str:
    return (
        json.dumps({"video_id": video_id, "seed": seed, "prediction": prediction, "reference": reference}, ensure_ascii=False)
        + "\n"
    )


def _track(
    study: str, name: str, folder: Path, trained: dict[str, Any], scores: dict[str, Any], files: Sequence[Path], *, control: str
) -> None:
    """Add test metrics and artifacts to the row's run; a control, which trains nothing, has a run of its own."""
    record = folder / "mlflow_run.json" if control == "none" else folder.with_name(name) / "mlflow_run.json"
    stage = f"evaluate@{name}"
    with tracking.reopen(record=record, study=study, row=name, stage=stage, fingerprint=trained["fingerprint"]) as run:
        run.dataset(name=study, path=CORPUS, digest=file_sha256(CORPUS), context="test")
        run.metrics({f"test_{metric}": score["mean"] for metric, score in scores.items()})
        for result in trained["seeds"]:
            seed = result["seed"]
            with run.seed_run(seed) as seed_run:
                seed_run.metrics({f"test_{metric}": score["per_seed"][str(seed)]["mean"] for metric, score in scores.items()})
                seed_run.artifact(folder / "seeds" / str(seed) / "history.json")
        for path in files:
            run.artifact(path)


if __name__ == "__main__":
    main()
