"""Rebuild tables, figures and the page from `predictions/` and `metrics/`. `python -m stages.report`"""

from pipeline.base import tracking
from pipeline.base.params import load_params
from pipeline.base.paths import REPORTS
from pipeline.report.write import write_report


def main() -> None:
    params = load_params()
    files = write_report(REPORTS, resamples=params.current.bootstrap_resamples, chosen=params.current.chosen)
    tracking.log_report(study=params.study, files=files)
    print(f"{REPORTS}: {len(files)} files, index.html among them")


if __name__ == "__main__":
    main()
