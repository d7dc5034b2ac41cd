"""Run what stands beside the table as DVC experiments, and collect what is finished for the report. Goes on where it stopped.

python -m stages.experiments ablations   ClipSum with one thing changed: Table 2 of the paper, and what it leaves out
python -m stages.experiments evidence    ten seeds of the rows that decide, and the dose in between
python -m stages.experiments transfer    trained on short or long videos, tested on short or long ones (kitchen)
python -m stages.experiments rescore     runs nothing: what is kept of these is scored anew after a change of metrics
"""

import argparse
import sys

from pipeline.base.params import load_params
from pipeline.evaluation.experiments import run_all
from pipeline.evaluation.planned import PLANS
from pipeline.evaluation.rescoring import rescore_kept
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*PLANS, "rescore"))
    what = parser.parse_args().what
    params = load_params()
    if what == "rescore":
        rescored = rescore_kept(resamples=params.current.bootstrap_resamples)
        print(f"scored anew: {', '.join(rescored) or 'nothing, all records are up to date'}")
        return
    try:
        wanted = PLANS[what](params)
    except ValueError as error:
        sys.exit(str(error))
    lost = run_all(wanted, study_name=params.study, unit="run")
    rescore_kept(resamples=params.current.bootstrap_resamples)  # what was run before a metric was added
    print(f"{what}: {len(wanted) - len(lost)} of {len(wanted)} finished and collected")
    if lost:
        sys.exit(f"not finished: {', '.join(lost)}; see `dvc queue status` and `dvc queue logs <name>`, or run this again")


if __name__ == "__main__":
    run(main)
