"""Stage `report`: `metrics/` and `predictions/` become `reports/`. Run: `python -m stages.report`."""

from pathlib import Path

from pipeline.params import load_params
from pipeline.report.page import write_report


def main() -> None:
    study = load_params().current
    out = Path("reports")
    table = write_report(predictions=Path("predictions"), metrics=Path("metrics"), out=out, resamples=study.bootstrap_resamples)
    print(table)
    print(f"written: {out}/index.html and the table as .md, .csv and .tex")


if __name__ == "__main__":
    main()
