"""Score outputs that others have released, and write their table: no corpus, no training.

python -m stages.released how2_released              files that are not in data/inputs/how2_released/ are fetched first
python -m stages.released how2_released --processes 2

No stage of `dvc.yaml`: it may need a network, so nothing runs it but you. Summaries go to .scratch/, scores to reports/<study>/.
"""

import argparse

from pipeline.base.paths import REPORTS
from pipeline.base.released_params import load_released
from pipeline.evaluation.released import get_files, released_root, score_released
from pipeline.report.released import write_released
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="a file of studies/released/")
    parser.add_argument("--processes", type=int, default=1, help="rows scored side by side")
    arguments = parser.parse_args()
    if arguments.processes < 1:
        parser.error("--processes: at least 1")
    released = load_released(arguments.study)
    folder = get_files(arguments.study, released)
    for record in score_released(arguments.study, released, folder, processes=arguments.processes):
        print(record.in_short, flush=True)
    for path in write_released(REPORTS / arguments.study, released, root=released_root(arguments.study)):
        print(path)


if __name__ == "__main__":
    run(main)
