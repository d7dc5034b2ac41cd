"""Measure time and memory of one summary, for every trained row, in this one process. `python -m stages.costs`"""

from pipeline.base.params import load_params
from pipeline.base.row_names import declared_names
from pipeline.evaluation.cost_table import measure_costs
from pipeline.evaluation.evaluate import read_subject
from pipeline.training.table_row import declared_row
from stages import run


def main() -> None:
    params = load_params()
    more = params.more_encoders
    rows = [declared_row(name, encoder=params.encoder, more=more) for name in declared_names(more=more)]
    subjects = [read_subject(row.name, title=row.title) for row in rows if row.folder.exists()]
    print(measure_costs(subjects, params).drop(columns="checkpoints").to_string())


if __name__ == "__main__":
    run(main)
