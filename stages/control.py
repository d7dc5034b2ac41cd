"""Show a trained row other frames than the videos' own, in several ways, and score what it says then.

python -m stages.control --of clipsum --title ClipSum --shows shuffled first zeros
"""

import argparse

from pipeline.base.params import load_params
from pipeline.evaluation.controls import CONTROLS
from pipeline.evaluation.evaluate import control_of, evaluate, read_subject
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--of", required=True, help="the row that was trained, a folder of models/")
    parser.add_argument("--title", required=True, help="what tables call that row")
    parser.add_argument("--shows", required=True, nargs="+", choices=list(CONTROLS))
    arguments = parser.parse_args()
    own = read_subject(arguments.of, title=arguments.title)
    for record in evaluate([control_of(own, control) for control in arguments.shows], load_params()):
        print(record.in_short)


if __name__ == "__main__":
    run(main)
