"""Show a trained row other frames than the videos' own, and score what it says then.

python -m stages.control --row clipsum_swapped --of clipsum --shows swapped --title "ClipSum, frames of another video"
"""

import argparse

from pipeline.base.params import load_params
from pipeline.evaluation.evaluate import evaluate, read_subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", required=True, help="the name of the control")
    parser.add_argument("--of", required=True, help="the row that was trained, a folder of models/")
    parser.add_argument("--shows", required=True, help="an entry of pipeline/evaluation/controls.py")
    parser.add_argument("--title", required=True, help="what tables call it")
    arguments = parser.parse_args()
    params = load_params()
    subject = read_subject(arguments.row, title=arguments.title, trained=arguments.of, control=arguments.shows)
    print(evaluate(subject, params).in_short)


if __name__ == "__main__":
    main()
