"""Score the floors, summaries that need no training, on the test split, and note its sources for the report.

python -m stages.floors
"""

import pandas as pd

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import CORPUS, METRICS
from pipeline.corpus.table import usable_parts
from pipeline.scoring.entity import known_entities
from pipeline.scoring.floors import FLOORS, score_floor
from stages import run


def main() -> None:
    params = load_params()
    source = params.current.text.source
    test = pd.concat(usable_parts(CORPUS, "test", source=source), ignore_index=True)
    train = pd.concat((part[["recipe", "summary"]] for part in usable_parts(CORPUS, "train", source=source)), ignore_index=True)
    write_json(METRICS / "sources.json", dict(zip(test["video_id"], test["source"], strict=True)))
    entities = known_entities(CORPUS, "test")
    for name in FLOORS:
        print(score_floor(name, train, test, params, entities=entities).in_short)


if __name__ == "__main__":
    run(main)
