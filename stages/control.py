"""Show a trained row other frames than the videos' own, in several ways, and score what it says then; and note to which of its
own frames it attended.

python -m stages.control --of clipsum --title ClipSum --shows shuffled first zeros
"""

import argparse

from pipeline.base.params import load_params
from pipeline.evaluation.attended import write_attended
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
    params = load_params()
    for record in evaluate([control_of(own, control) for control in arguments.shows], params):
        print(record.in_short)
    print(f"{write_attended(own.trained, min(own.seeds), params)}: the frames that it attended to")


if __name__ == "__main__":
    run(main)
