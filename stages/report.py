"""Rebuild tables, figures and the page from `predictions/` and `metrics/`. `python -m stages.report`"""

from pipeline.base import tracking
from pipeline.base.params import load_params
from pipeline.base.paths import METRICS, REPORTS
from pipeline.base.row_names import declared_names
from pipeline.report.load import undeclared
from pipeline.report.video_pages import FOLDER
from pipeline.report.write import write_report
from stages import run


def main() -> None:
    params = load_params()
    declared = declared_names(more=(*params.more_encoders, *params.external, *params.chat))
    if left_out := undeclared(METRICS, declared):
        print(f"Left out: {', '.join(left_out)}; neither dvc.yaml nor a list in params.yaml has these rows")
    current = params.current
    files = write_report(
        REPORTS,
        resamples=current.bootstrap_resamples,
        chosen=current.chosen,
        page_videos=current.page_videos,
        declared=declared,
    )
    tracking.log_report(study=params.study, files=[path for path in files if path.parent.name != FOLDER])
    print(f"{REPORTS}: {len(files)} files, index.html among them")


if __name__ == "__main__":
    run(main)
