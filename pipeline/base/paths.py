"""Where files lie, relative to the project's top folder. Every path that two stages share is named here and nowhere else."""

from pathlib import Path

PARAMS = Path("params.yaml")
STUDIES = Path("studies")
PIPELINE = Path("dvc.yaml")

INPUTS = Path("data/inputs")  # what a user supplies, a folder a study
RAW = Path("data/raw")  # videos that the pipeline draws
DOWNLOADED = Path("data/corpus/downloaded.parquet")  # the corpus before anything is heard
CORPUS = Path("data/corpus/corpus.parquet")
SPEECH = Path("data/speech")  # what was heard, sentence by sentence
FRAMES = Path("data/frames")
STORYBOARDS = Path("data/storyboards.json")  # a few small frames of every test video, for the page
FEATURES = Path("data/features")
FOUNDATION = Path("foundation")  # mini models, shipped
WEIGHTS = Path("weights")
MODELS = Path("models")
METRICS = Path("metrics")
PREDICTIONS = Path("predictions")
REPORTS = Path("reports")
COSTS = REPORTS / "costs.csv"  # times and memory: of this machine, and not in git
MEASURED = REPORTS / "costs.json"  # whose costs they are


def metrics_file(row: str) -> Path:
    return METRICS / f"{row}.json"


def predictions_file(row: str) -> Path:
    return PREDICTIONS / f"{row}.jsonl"
