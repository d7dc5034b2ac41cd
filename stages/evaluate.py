"""Summarise the test split with a trained row and score it. `python -m stages.evaluate --row clipsum --title ClipSum`"""

import argparse

from pipeline.base.params import load_params
from pipeline.evaluation.evaluate import evaluate, read_subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", required=True, help="a folder of models/")
    parser.add_argument("--title", required=True, help="what tables call it")
    arguments = parser.parse_args()
    params = load_params()
    print(evaluate(read_subject(arguments.row, title=arguments.title, trained=arguments.row), params).in_short)


if __name__ == "__main__":
    main()
