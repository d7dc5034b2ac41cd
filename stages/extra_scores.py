"""Score every row's summaries by the models that the study names in `extra_metrics`. `python -m stages.extra_scores`

Without any the file says so, and nothing is fetched.
"""

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import METRICS
from pipeline.evaluation.extra_scores import extra_scores
from pipeline.scoring.record import EXTRA_SCORES
from stages import run


def main() -> None:
    params = load_params()
    found = extra_scores(params)
    write_json(METRICS / EXTRA_SCORES, found.model_dump(mode="json"))
    print(f"{METRICS / EXTRA_SCORES}: {', '.join(found.signatures) or 'the study names no extra metric'}, {len(found.rows)} rows")


if __name__ == "__main__":
    run(main)
