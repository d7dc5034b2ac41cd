"""Read what judges have answered: preference, agreement, errors, and which automatic metrics prefer the same.

python -m stages.judgements judging/<sheet>.key.json ada.json ben.json
python -m stages.judgements judging/<sheet>.key.json answers/*.json --json judged.json     every figure, unrounded
"""

import argparse
from pathlib import Path

from pipeline.base.files import write_json
from pipeline.judging.answers import read_judges
from pipeline.judging.sheet import read_key
from pipeline.judging.study import as_json, as_text, reckon
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", type=Path, help="the key written beside the sheet")
    parser.add_argument("answers", type=Path, nargs="+", help="a file a judge, as the page saves them")
    parser.add_argument("--resamples", type=int, default=10000)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    arguments = parser.parse_args()
    if arguments.resamples < 100:
        parser.error("--resamples: at least 100; fewer cannot tell the 2.5th percentile")
    key = read_key(arguments.key)
    groups = reckon(read_judges(arguments.answers, key), key, resamples=arguments.resamples)
    print(as_text(groups, key))
    if arguments.json:
        write_json(arguments.json, as_json(groups, key))


if __name__ == "__main__":
    run(main)
