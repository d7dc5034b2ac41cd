"""Score the floors, summaries that need no training, on the test split, and note its sources for the report.

python -m stages.floors
"""

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import CORPUS, METRICS
from pipeline.corpus.table import read_corpus, usable_videos
from pipeline.scoring.entity import known_entities
from pipeline.scoring.floors import FLOORS, score_floor
from stages import run


def main() -> None:
    params = load_params()
    corpus = read_corpus(CORPUS)
    train, test = (usable_videos(corpus, split, source=params.current.text.source) for split in ("train", "test"))
    write_json(METRICS / "sources.json", dict(zip(test["video_id"], test["source"], strict=True)))
    entities = known_entities(corpus, list(test["video_id"]))
    for name in FLOORS:
        print(score_floor(name, train, test, params, entities=entities).in_short)


if __name__ == "__main__":
    run(main)
