"""Rebuild tables, figures and the page from `predictions/` and `metrics/` alone.

python -m stages.report            the rows of dvc.yaml, to reports/
python -m stages.report --table    those and the rows of table/dvc.yaml, to table/reports/
"""

import argparse
from pathlib import Path

from pipeline import tracking
from pipeline.params import load_params
from pipeline.report.page import write_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true")
    folders = [Path(), Path("table")] if parser.parse_args().table else [Path()]
    params = load_params()
    out = folders[-1] / "reports"
    print(write_report(folders=folders, out=out, resamples=params.current.bootstrap_resamples, chosen=params.current.chosen))
    tracking.log_report(study=params.study, folder=out)


if __name__ == "__main__":
    main()
