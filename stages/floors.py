"""Score the floors, summaries that need no training, on the test split, and note its sources for the report.

python -m stages.floors
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.atomic import write_json, write_text
from pipeline.corpus import read_corpus, usable_videos
from pipeline.floors import FLOORS, floor_summaries
from pipeline.metrics import score_row, signature
from pipeline.params import load_params

CORPUS = Path("data/corpus/corpus.parquet")


def main() -> None:
    params = load_params()
    study = params.current
    corpus = read_corpus(CORPUS)
    train, test = (usable_videos(corpus, split, source=study.text.source) for split in ("train", "test"))
    write_json(Path("metrics/sources.json"), dict(zip(test["video_id"], test["source"], strict=True)))
    for name, title in FLOORS.items():
        lines: list[dict[str, Any]] = [
            {"video_id": video_id, "seed": seed, "prediction": prediction, "reference": reference}
            for seed in study.seeds
            for video_id, prediction, reference in zip(
                test["video_id"], floor_summaries(name, train, test, seed=seed), test["summary"], strict=True
            )
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_text(Path("predictions") / f"{name}.jsonl", text)
        scores = score_row(pd.DataFrame(lines), resamples=study.bootstrap_resamples, seed=0)
        write_json(
            Path("metrics") / f"{name}.json",
            {
                "row": name,
                "title": title,
                "model": "floor",
                "text": "none",
                "encoder": "none",
                "tuning": "none",
                "control_of": None,
                "visual": "none",
                "study": params.study,
                "scale": study.scale,
                "split": "test",
                "n_videos": len(test),
                "seeds": study.seeds,
                "feature_width": None,
                "parameters": {"trainable": 0, "total": 0},
                "metrics": scores,
                "signature": signature(),
            },
        )
        print(
            f"{name}: n {len(test)}, " + ", ".join(f"{key} {scores[key]['mean']:.2f}" for key in ("rouge1", "rouge2", "rougeL"))
        )


if __name__ == "__main__":
    main()
