"""Write a trained row as a folder that can be handed on: weights, tokenizer, encoder and model card; no stage of `dvc.yaml`.

python -m stages.export [--row clipsum] [--study kitchen] [--out exports/kitchen-clipsum]
"""

import argparse
from dataclasses import replace
from pathlib import Path

from pipeline.base.params import Params, load_params, load_study
from pipeline.base.row_names import declared_names
from pipeline.inference.chosen import choose_seed
from pipeline.inference.export import export, scores_of
from pipeline.report.calibration import Calibration, calibrate
from pipeline.report.evidence import gather_evidence
from pipeline.report.load import load_results
from stages import run

EXPORTS = Path("exports")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.export", description=__doc__)
    parser.add_argument("--row", default="clipsum", help="a trained row; default: clipsum")
    parser.add_argument("--study", help="the study that it was trained under; default: that of params.yaml")
    parser.add_argument("--out", type=Path, help="the folder to write; default: exports/<study>-<row>")
    arguments = parser.parse_args()
    params = load_params()
    if arguments.study is not None:
        params = replace(params, study=arguments.study, current=load_study(arguments.study))
    chosen = choose_seed(arguments.row, params)
    record = scores_of(chosen)
    out = arguments.out or EXPORTS / f"{params.study}-{arguments.row}"
    export(chosen, record, out, calibration=controls_of(params))
    print(f"{out}: row {arguments.row}, seed {chosen.seed}, study {params.study}; {out / 'README.md'} is its card")


def controls_of(params: Params) -> Calibration:
    """What the controls of the study say, as in the report."""
    results = load_results(declared=declared_names(more=params.more_encoders))
    resamples = params.current.bootstrap_resamples
    return calibrate(results, gather_evidence(results, resamples=resamples), resamples=resamples)


if __name__ == "__main__":
    run(main)
