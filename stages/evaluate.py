"""Summarise the test split with a trained row, then with another video's frames if it sees any, and score both. The best seed
becomes a version of a model in MLflow's registry.

python -m stages.evaluate --row clipsum --title ClipSum

Rows of `more_encoders` are called by DVC's name of the stage and have the title that they are declared with, so that no value of
a parameter is part of a shell command.
"""

import argparse

from pipeline.base.params import load_params
from pipeline.evaluation.evaluate import control_of, evaluate, read_subject
from pipeline.training.table_row import declared_row
from stages import run, running_item


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", default=running_item(), help="a folder of models/")
    parser.add_argument("--title", help="what tables call it; if not given, as it is declared")
    arguments = parser.parse_args()
    params = load_params()
    title = arguments.title or declared_row(arguments.row, encoder=params.encoder, more=params.more_encoders).title
    own = read_subject(arguments.row, title=title)
    subjects = [own] if own.trained.sees is None else [own, control_of(own, "swapped")]
    records = evaluate(subjects, params)
    for record in records:
        print(record.in_short)
    from pipeline.inference.registered import register  # what takes a second to import, and summaries do not wait for it

    register(own.name, params, records[0])


if __name__ == "__main__":
    run(main)
