"""Write a sheet on which people judge the summaries of two rows, without knowing whose they read. `make judge`

python -m stages.judge clipsum bart                            forty videos
python -m stages.judge clipsum bart --videos 100 --seed 1      another choice, another order
python -m stages.judge clipsum bart --trained-seed 2           the summaries of another training seed
python -m stages.judge clipsum bart --chat judging/model.yaml  the same sheet answered by a chat model, too: it costs money

Writes `judging/<sheet>.html`, which judges get, and `judging/<sheet>.key.json`, which they do not: it says who is A and who is B.
`python -m stages.judgements` reads what they hand back; docs/judging.md says how to run such a study.
"""

import argparse
from pathlib import Path

from pipeline.base.files import write_json, write_text
from pipeline.judging.machine import judge_by_chat, read_chat_judge
from pipeline.judging.page import render_sheet
from pipeline.judging.sheet import make_sheet, write_key
from stages import run

FOLDER, CACHE = Path("judging"), Path(".scratch/judging")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="a row of predictions/; shares are of this one")
    parser.add_argument("second", help="the row it is judged against")
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of videos, and of who is A")
    parser.add_argument("--trained-seed", type=int, help="whose summaries are judged; default: each row's first training seed")
    parser.add_argument("--chat", type=Path, help="settings of a chat model that answers the sheet, in both orders")
    given = parser.parse_args()
    chat = None if given.chat is None else read_chat_judge(given.chat)
    sheet = make_sheet(given.first, given.second, videos=given.videos, seed=given.seed, trained_seed=given.trained_seed)
    page, key = FOLDER / f"{sheet.name}.html", FOLDER / f"{sheet.name}.key.json"
    write_key(key, sheet.key)
    write_text(page, render_sheet(sheet))
    print(f"{page}: {len(sheet.items)} videos of {sheet.key.asked} asked for; for judges, without any network")
    print(f"{key}: who is A and who is B; keep it from judges")
    if sheet.key.equal or sheet.key.unseen:
        print(
            f"left out: {sheet.key.equal} videos with equal summaries, {sheet.key.unseen} without frames in data/storyboards.json"
        )
    if chat is not None:
        judge, reasons = judge_by_chat(sheet, chat, cache=CACHE)
        answers = FOLDER / f"{sheet.name}.{chat.file_name}.json"
        write_json(answers, judge.model_dump())
        print(f"{answers}: {judge.judge} answered {len(judge.answers)} of {len(sheet.items)} videos, each in both orders")
        for video, reason in sorted(reasons.items())[:10]:
            print(f"  no answer about {video}: {reason}")


if __name__ == "__main__":
    run(main)
