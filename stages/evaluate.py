"""Summarise the test split with a trained row, then with another video's frames if it sees any, and score both.

python -m stages.evaluate --row clipsum --title ClipSum
"""

import argparse

from pipeline.base.params import load_params
from pipeline.evaluation.evaluate import control_of, evaluate, read_subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", required=True, help="a folder of models/")
    parser.add_argument("--title", required=True, help="what tables call it")
    arguments = parser.parse_args()
    own = read_subject(arguments.row, title=arguments.title)
    subjects = [own] if own.trained.sees is None else [own, control_of(own, "swapped")]
    for record in evaluate(subjects, load_params()):
        print(record.in_short)


if __name__ == "__main__":
    main()
