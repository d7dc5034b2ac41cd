"""Write a sheet on which people judge the summaries of two rows, without knowing whose they read. `make judge`

python -m stages.judge clipsum bart                            forty videos
python -m stages.judge clipsum bart --videos 100 --seed 1      another choice, another order
python -m stages.judge clipsum bart --trained-seed 2           the summaries of another training seed

Writes `judging/<sheet>.html`, which judges get, and `judging/<sheet>.key.json`, which they do not: it says who is A and who is B.
`python -m stages.judgements` reads what they hand back; docs/judging.md says how to run such a study.
"""

import argparse
from pathlib import Path

from pipeline.base.files import write_text
from pipeline.judging.page import render_sheet
from pipeline.judging.sheet import make_sheet, write_key
from stages import run

FOLDER = Path("judging")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="a row of predictions/; shares are of this one")
    parser.add_argument("second", help="the row it is judged against")
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of videos, and of who is A")
    parser.add_argument("--trained-seed", type=int, help="whose summaries are judged; default: each row's first training seed")
    arguments = parser.parse_args()
    sheet = make_sheet(
        arguments.first, arguments.second, videos=arguments.videos, seed=arguments.seed, trained_seed=arguments.trained_seed
    )
    page, key = FOLDER / f"{sheet.name}.html", FOLDER / f"{sheet.name}.key.json"
    write_key(key, sheet.key)
    write_text(page, render_sheet(sheet))
    print(f"{page}: {len(sheet.items)} videos of {sheet.key.asked} asked for; for judges, without any network")
    print(f"{key}: who is A and who is B; keep it from judges")
    if sheet.key.equal or sheet.key.unseen:
        print(
            f"left out: {sheet.key.equal} videos with equal summaries, {sheet.key.unseen} without frames in data/storyboards.json"
        )


if __name__ == "__main__":
    run(main)
