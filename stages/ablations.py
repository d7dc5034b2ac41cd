"""Queue the ablations of the study as DVC experiments, run them, and collect what is finished for the report.

python -m stages.ablations              queue, run, collect; goes on where it stopped
python -m stages.ablations --collect    collect only
"""

import argparse
import sys
from functools import partial

from pipeline.base.params import load_params
from pipeline.base.paths import metrics_file
from pipeline.evaluation.ablations import experiment_name, to_run
from pipeline.evaluation.experiments import BASE, collect, finished, queue, wait_for
from pipeline.scoring.record import read_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collect", action="store_true", help="run nothing")
    collect_only = parser.parse_args().collect
    params = load_params()
    made_from = base_made_from(params.study)
    name_of = partial(experiment_name, study_name=params.study, study=params.current, encoder=params.encoder, made_from=made_from)
    wanted = {name_of(ablation): ablation for ablation in to_run(params.current)}
    if not collect_only:
        queue([name for name in wanted if name not in finished()], wanted, study_name=params.study, study=params.current)
        wait_for(list(wanted))
    references = finished()
    for name, ablation in wanted.items():
        if name in references:
            collect(references[name], ablation, params.current)
    lost = [ablation.name for name, ablation in wanted.items() if name not in references]
    print(f"ablations: {len(wanted) - len(lost)} of {len(wanted)} finished and collected")
    if lost:
        sys.exit(f"not finished: {', '.join(lost)}; see `dvc queue status` and `dvc queue logs <name>`, or run this again")


def base_made_from(study: str) -> dict[str, str]:
    """What the row that is varied was made of."""
    path = metrics_file(BASE)
    record = read_record(path) if path.exists() else None
    if record is None or record.study != study:
        sys.exit(f"{path} is not there or of another study than {study}: ablations vary its row; run `dvc repro` first")
    return record.made_from


if __name__ == "__main__":
    main()
