"""Memory and time of what reads a large corpus, by the number of its videos; each job in a process of its own.

python -m benchmarks.corpus --videos 10000 100000
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.stores import memory
from pipeline.base.params import Text
from pipeline.corpus.coverage import describe_corpus
from pipeline.corpus.table import SCHEMA, SPLITS, read_corpus, usable_parts
from pipeline.report.marks import read_known
from pipeline.scoring.entity import known_entities
from pipeline.scoring.predictions import Summaries
from pipeline.training.batches import load_tokenizer, read_examples

TOKENIZER = Path("foundation/bart")
TEXT = Text(source="transcript", max_source_tokens=512, max_target_tokens=128)
SHARES = (0.8, 0.1, 0.1)  # of the splits
STEPS, STEP_WORDS, NARRATION_WORDS, SUMMARY_WORDS = 8, 9, 500, 50  # about what YouCook2 has
_PART = 2_000
chance = random.Random(0)


def nothing(corpus: Path) -> None:
    """What the imports take."""


def whole(corpus: Path) -> None:
    """All of it at once, as stages read it before."""
    read_corpus(corpus)


def described(corpus: Path) -> None:
    describe_corpus(corpus)


def sampled(corpus: Path) -> None:
    read_corpus(corpus, ("video_id", "split", "video_path", "status"))


def trained(corpus: Path) -> None:
    tokenizer = load_tokenizer(TOKENIZER)
    known = known_entities(corpus, "validation")
    for split in ("train", "validation"):
        read_examples(usable_parts(corpus, split, source=TEXT.source), text=TEXT, tokenizer=tokenizer, entities=known)


def evaluated(corpus: Path) -> None:
    tokenizer = load_tokenizer(TOKENIZER)
    known_entities(corpus, "test")
    read_examples(usable_parts(corpus, "test", source=TEXT.source), text=TEXT, tokenizer=tokenizer)


def floors(corpus: Path) -> None:
    pd.concat(usable_parts(corpus, "test", source=TEXT.source))
    pd.concat(part[["recipe", "summary"]] for part in usable_parts(corpus, "train", source=TEXT.source))


def reported(corpus: Path) -> None:
    test = pd.concat(part[["video_id", "summary"]] for part in usable_parts(corpus, "test", source=TEXT.source))
    read_known(corpus, Summaries((0,), tuple(test["video_id"]), ((tuple(test["summary"]),),), tuple(test["summary"])))


JOBS: dict[str, Callable[[Path], None]] = {
    job.__name__: job for job in (nothing, whole, described, sampled, trained, evaluated, floors, reported)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        began = time.perf_counter()
        JOBS[arguments.job](arguments.corpus)
        seconds = time.perf_counter() - began
        print(memory(), seconds)
        return
    with TemporaryDirectory() as folder:
        found: dict[str, list[str]] = {job: [] for job in JOBS}
        for videos in arguments.videos:
            corpus = Path(folder) / f"{videos}.parquet"
            write(corpus, videos)
            for job in JOBS:
                command = [sys.executable, "-m", "benchmarks.corpus", "--job", job, "--corpus", str(corpus)]
                peak, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-2:]
                found[job].append(f"{float(peak):,.0f} MB, {float(seconds):.1f} s")
            print(f"{videos:,} videos: a file of {corpus.stat().st_size / 1e6:,.0f} MB", flush=True)
    print("| job | " + " | ".join(f"{videos:,} videos" for videos in arguments.videos) + " |")
    print("|---" * (len(arguments.videos) + 1) + "|")
    for job, cells in found.items():
        print(f"| {job} | " + " | ".join(cells) + " |")


def write(path: Path, videos: int) -> None:
    """A corpus of random words, part by part."""
    words = [f"{chance.choice('bcdfglmnprst')}{chance.choice('aeiou')}{number}" for number in range(3000)]
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for split, share in zip(SPLITS, SHARES, strict=True):
            for start in range(0, round(share * videos), _PART):
                numbers = range(start, min(start + _PART, round(share * videos)))
                writer.write_batch(pa.RecordBatch.from_pylist([_row(split, number, words) for number in numbers], schema=SCHEMA))


def _row(split: str, number: int, words: list[str]) -> dict[str, object]:
    def text(count: int) -> str:
        return " ".join(chance.choices(words, k=count))

    return dict.fromkeys(SCHEMA.names, "") | {
        "video_id": f"{split}{number:08d}",
        "split": split,
        "duration_seconds": 300.0,
        "steps": [text(STEP_WORDS) for _ in range(STEPS)],
        "segments": [[float(step), step + 1.0] for step in range(STEPS)],
        "entities": chance.choices(words[:200], k=5),
        "transcript": text(NARRATION_WORDS),
        "transcript_origin": "human",
        "summary": text(SUMMARY_WORDS),
        "status": "ok",
    }


if __name__ == "__main__":
    main()
