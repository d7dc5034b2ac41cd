"""Search for the settings of every row on the validation split, the same number of trials each. `make search`

python -m stages.search                    all rows; goes on where it stopped
python -m stages.search --trials 32        more trials: those that are there count
python -m stages.search --rows clipsum t5  some rows; the others keep what they have

It writes what it found into the study's file, under `rows`, and all trials into docs/search_<study>.md.
"""

import argparse

from pipeline.base.params import load_params
from pipeline.base.paths import STUDIES
from pipeline.base.row_names import declared_names
from pipeline.report.search_document import write_document
from pipeline.training.search import best_of, search
from pipeline.training.space import by_block, own_values
from pipeline.training.study_file import write_rows
from pipeline.training.table_row import declared_row
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=16, help="of each row")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="entries of train or train_text, or of more_encoders")
    arguments = parser.parse_args()
    params = load_params()
    more = params.more_encoders
    names = arguments.rows or declared_names(more=more)
    rows = [declared_row(name, encoder=params.encoder, more=more) for name in names]
    found = search(rows, params, trials=arguments.trials)
    chosen = {}
    for row in rows:
        best, own = best_of(found[row.name]), own_values(row, params.current)
        chosen[row.name] = by_block({key: value for key, value in best.values.items() if value != own[key]})
        print(f"{row.name}: trial {best.number} of {len(found[row.name])}, {best.score}, {chosen[row.name] or 'as the study'}")
    write_rows(STUDIES / f"{params.study}.yaml", chosen)
    write_document({row.name: row.title for row in rows}, found, params)


if __name__ == "__main__":
    run(main)
