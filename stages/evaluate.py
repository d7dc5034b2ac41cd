"""Summarise the test split with a trained row and score it. The only stage that reads the test split.

python -m stages.evaluate --row clipsum --trained clipsum --title ClipSum

A row that evaluates another one's checkpoints is the swapped-video control: every video shows some other video's frames.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from pipeline import tracking
from pipeline.atomic import read_json, write_json, write_text
from pipeline.batches import load_tokenizer, read_examples
from pipeline.corpus import read_corpus
from pipeline.device import choose_device
from pipeline.encoders import load_encoder
from pipeline.generation import latency_ms, summarise, tower_latency_ms
from pipeline.metrics import score_row, signature
from pipeline.models.summarizer import load
from pipeline.params import load_params
from pipeline.rows import CORPUS, TEXT_MODEL, count_parameters, input_digests, open_visual, read_row
from pipeline.shards import Shard, file_sha256, fingerprint, run_shards, scratch_folder
from pipeline.visual import swap_videos

SWAP_SEED = 20  # which other video's frames are shown in the control


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("row", "trained", "title"):
        parser.add_argument(f"--{option}", required=True)
    arguments = parser.parse_args()
    params = load_params()
    study, name = params.current, arguments.row
    folder = Path("models") / arguments.trained
    control_of = arguments.trained if arguments.trained != name else None
    row = read_row(folder / "seeds")
    trained = read_json(folder / "seeds" / "row.json")
    device = choose_device(params.runtime.device)
    tokenizer = load_tokenizer(TEXT_MODEL)
    examples = read_examples(read_corpus(CORPUS), "test", text=study.text, tokenizer=tokenizer)
    visual = open_visual(row)
    if control_of and visual is None:
        raise ValueError(f"control {name}: row {row.name} looks at no frames, so there is nothing to swap")
    shown = swap_videos(examples.video_ids, seed=SWAP_SEED) if control_of else None

    def generate(items: Sequence[Any], path: Path) -> dict[str, Any]:
        (seed,) = items
        system = load(folder / "seeds" / str(seed)).to(device)
        texts = summarise(
            system, examples, visual, tokenizer=tokenizer, settings=study.generate, device=device,
            batch_size=params.runtime.generation_batch_size, shown=shown,
        )  # fmt: skip
        lines = zip(examples.video_ids, texts, examples.references, strict=True)
        write_text(path, "".join(_line(video_id, seed, text, reference) for video_id, text, reference in lines))
        return {"seed": seed}

    seeds = [result["seed"] for result in trained["seeds"]]
    checkpoints = [file_sha256(folder / "seeds" / str(seed) / "model.safetensors") for seed in seeds]
    key = fingerprint(
        checkpoints, study.generate.model_dump(), study.text.model_dump(), input_digests(row), control_of, SWAP_SEED
    )
    with scratch_folder(f"evaluate.{name}", key) as scratch:
        shards = [Shard(name=f"{seed}.jsonl", items=[seed]) for seed in seeds]
        run_shards(generate, shards, folder=scratch, workers=1, unit="seed", title=f"evaluate {name}")
        predictions = Path("predictions") / f"{name}.jsonl"
        write_text(predictions, "".join((scratch / shard.name).read_text(encoding="utf-8") for shard in shards))
    scores = score_row(pd.read_json(predictions, lines=True, dtype=False), resamples=study.bootstrap_resamples, seed=0)
    system = load(folder / "seeds" / str(seeds[0])).to(device)
    latency = latency_ms(system, examples, visual, settings=study.generate, device=device)
    if row.tuning == "frozen":
        assert visual is not None
        latency += tower_latency_ms(load_encoder(row.weights), frames=visual.max_frames, device=device)
    metrics = Path("metrics") / f"{name}.json"
    write_json(
        metrics,
        {
            "row": name,
            "title": arguments.title,
            "model": row.model,
            "encoder": row.encoder,
            "tuning": row.tuning,
            "control_of": control_of,
            "visual": "none" if visual is None else "swapped" if control_of else "own",
            "study": params.study,
            "scale": study.scale,
            "split": "test",
            "n_videos": len(examples),
            "seeds": seeds,
            "feature_width": system.architecture.feature_width,
            "parameters": count_parameters(row, system),
            "latency_ms": round(latency, 1),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "truncated": examples.truncated,
            "metrics": scores,
            "signature": signature(),
            "selection": {
                str(result["seed"]): {"best_epoch": result["best_epoch"], "val_rouge2": result["val_rouge2"]}
                for result in trained["seeds"]
            },
            "history": {str(seed): read_json(folder / "seeds" / str(seed) / "history.json") for seed in seeds},
            "protocol": trained["protocol"],
        },
    )
    _track(params.study, name, folder, trained, scores, [predictions, metrics])
    print(
        f"{name}: n {len(examples)}, " + ", ".join(f"{key} {scores[key]['mean']:.2f}" for key in ("rouge1", "rouge2", "rougeL"))
    )


def _line(video_id: str, seed: int, prediction: str, reference: str) -> str:
    return (
        json.dumps({"video_id": video_id, "seed": seed, "prediction": prediction, "reference": reference}, ensure_ascii=False)
        + "\n"
    )


def _track(study: str, name: str, folder: Path, trained: dict[str, Any], scores: dict[str, Any], files: Sequence[Path]) -> None:
    """Add test metrics and artifacts to the row's run; a control, which trains nothing, has a run of its own."""
    stage = f"evaluate@{name}"
    record = Path("models") / name / "mlflow_run.json"
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
