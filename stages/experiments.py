"""Run what stands beside the table as DVC experiments, and collect what is finished for the report. Goes on where it stopped.

python -m stages.experiments ablations   ClipSum with one thing changed: Table 2 of the paper, and what it leaves out
python -m stages.experiments evidence    ten seeds of the rows that decide, and the dose in between
"""

import argparse
import sys

from pipeline.base.params import Params, load_params
from pipeline.base.paths import metrics_file
from pipeline.evaluation.ablations import own_settings, to_run
from pipeline.evaluation.experiments import Experiment, experiment_name, run_all
from pipeline.evaluation.repeats import repeats
from pipeline.scoring.record import read_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ablations", "evidence"))
    what = parser.parse_args().what
    params = load_params()
    wanted = ablation_experiments(params) if what == "ablations" else evidence_experiments(params)
    lost = run_all(wanted, study_name=params.study, unit="run")
    print(f"{what}: {len(wanted) - len(lost)} of {len(wanted)} finished and collected")
    if lost:
        sys.exit(f"not finished: {', '.join(lost)}; see `dvc queue status` and `dvc queue logs <name>`, or run this again")


def ablation_experiments(params: Params) -> list[Experiment]:
    """Each varies a row of the table, and is kept in a folder of its own."""
    found = []
    for ablation in to_run(params.current):
        overrides = ablation.overrides(own_settings(params.current))
        found.append(
            Experiment(
                name=_name("ablation", ablation.name, params, row=ablation.of, overrides=overrides),
                target=f"evaluate@{ablation.of}",
                overrides=overrides,
                keeps={ablation.of: f"ablations/{ablation.name}"},
                adds={"ablation": {"name": ablation.name, "overrides": overrides}},
            )
        )
    return found


def evidence_experiments(params: Params) -> list[Experiment]:
    """Each repeats a row of the table, and is kept beside it."""
    return [
        Experiment(
            name=_name("evidence", repeat.name, params, row=repeat.target.partition("@")[2], overrides=repeat.overrides),
            target=repeat.target,
            overrides=repeat.overrides,
            keeps={row: f"evidence/{kept}" for row, kept in repeat.keeps.items()},
            adds={},
        )
        for repeat in repeats(params.current)
    ]


def _name(kind: str, name: str, params: Params, *, row: str, overrides: object) -> str:
    made_from = base_made_from(row, params.study)
    decided_by = [params.encoder, overrides, made_from]
    return experiment_name(kind, name, study_name=params.study, study=params.current, decided_by=decided_by)


def base_made_from(row: str, study: str) -> dict[str, str]:
    """What the row that is varied or repeated was made of: code, weights, corpus and features."""
    path = metrics_file(row)
    record = read_record(path) if path.exists() else None
    if record is None or record.study != study:
        sys.exit(f"{path} is not there or of another study than {study}; run `dvc repro` first")
    return record.made_from


if __name__ == "__main__":
    main()
