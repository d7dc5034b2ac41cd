"""Scores of the work tree and of every DVC experiment, side by side. `python -m stages.overview`"""

from pipeline.base.params import load_params
from pipeline.base.row_names import declared_names
from pipeline.evaluation.overview import overview


def main() -> None:
    params = load_params()
    rows = declared_names(more=(*params.more_encoders, *params.external, *params.chat))
    print(overview(rows, study=params.study, primary=params.current.primary.metric))


if __name__ == "__main__":
    main()
