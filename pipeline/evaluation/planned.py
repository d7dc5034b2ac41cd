"""Which experiments a study has: ablations, what makes the evidence stronger, transfer; each named by all that decides it."""

from pipeline.base.params import Params
from pipeline.base.paths import metrics_file
from pipeline.evaluation.ablations import own_settings, to_run
from pipeline.evaluation.experiments import Experiment, experiment_name
from pipeline.evaluation.repeats import repeats
from pipeline.evaluation.transfers import cells_of
from pipeline.scoring.record import read_record


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


def transfer_experiments(params: Params) -> list[Experiment]:
    """Each is a row in one cell: other videos, and the settings that all cells share. Its record says beside which corpus."""
    found = []
    for cell in cells_of(params.current):
        overrides = cell.overrides(params.current)
        found.append(
            Experiment(
                name=_name("transfer", cell.name, params, row=cell.row, overrides=overrides),
                target=cell.target,
                overrides=overrides,
                keeps={row: f"transfer/{kept}" for row, kept in cell.keeps.items()},
                adds={"made_from": {"beside": base_made_from(cell.row, params.study)["corpus"]}},
            )
        )
    # Cell by cell: what the rows of one share is made once, and then in DVC's cache.
    return sorted(found, key=lambda each: [str(each.overrides[key]) for key in ("dataset.trained_on", "dataset.tested_on")])


PLANS = {"ablations": ablation_experiments, "evidence": evidence_experiments, "transfer": transfer_experiments}


def _name(kind: str, name: str, params: Params, *, row: str, overrides: object) -> str:
    made_from = base_made_from(row, params.study)
    decided_by = [params.encoder, overrides, made_from]
    return experiment_name(kind, name, study_name=params.study, study=params.current, decided_by=decided_by)


def base_made_from(row: str, study: str) -> dict[str, str]:
    """What the row that is varied or repeated was made of: code, weights, corpus and features.

    Without a record of that row and study it is a `ValueError`: there is nothing yet to vary.
    """
    path = metrics_file(row)
    record = read_record(path) if path.exists() else None
    if record is None or record.study != study:
        raise ValueError(f"{path} is not there or of another study than {study}; run `dvc repro` first")
    return record.made_from
