"""Compare two files of summaries of the same videos, whoever made them: scores, difference, tests. No study is needed.

python -m stages.compare a.jsonl b.jsonl                               with a `reference` on every line
python -m stages.compare a.txt b.txt --references refs.txt             one summary a line, all three in one order
python -m stages.compare a.txt b.txt --references refs.txt --ids ids   the same, with ids, one a line, for messages
python -m stages.compare a.jsonl b.jsonl --json differences.json       every figure, unrounded

A difference is a minus b. The smallest detectable difference is what 80 % of such comparisons would find at 5 %. p values are of
one comparison each: correct them if you make several.
"""

import argparse
from pathlib import Path

from pipeline.base.files import write_json
from pipeline.evaluation.external_files import read_outputs, read_references
from pipeline.evaluation.pairing import as_json, as_table, check_aligned, pair
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, help="summaries: .jsonl, or text with one a line; docs/how2.md")
    parser.add_argument("b", type=Path, help="the same of another system")
    parser.add_argument("--references", type=Path, help=".jsonl or text; not needed if they stand in both files")
    parser.add_argument("--ids", type=Path, help="ids in the order of the lines of text files without any")
    parser.add_argument("--resamples", type=int, default=10000)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    arguments = parser.parse_args()
    if arguments.resamples < 100:
        parser.error("--resamples: at least 100; fewer cannot tell the 2.5th percentile")

    def order(path: Path) -> Path | None:
        return None if path.suffix == ".jsonl" else arguments.ids

    given = arguments.references
    references = None if given is None else read_references(given, order=order(given))
    files = (arguments.a, arguments.b)
    a, b = (read_outputs(path, references=references, order=order(path)) for path in files)
    names = (str(arguments.a), str(arguments.b))
    check_aligned(a.summaries, b.summaries, names=names)
    found = pair(a.summaries, b.summaries, resamples=arguments.resamples, names=names)
    seeds = " and ".join(dict.fromkeys(str(len(each.summaries.seeds)) for each in (a, b)))
    print(f"a: {arguments.a}\nb: {arguments.b}\n{len(a.summaries.videos)} videos, seeds: {seeds}")
    for each in (a, b):
        if each.empty:
            print(f"{each.path}: {each.empty} of {len(each.rows)} summaries are empty, and scored as such")
    print(as_table(found).to_string(index=False, justify="left"))
    if arguments.json:
        write_json(arguments.json, {"a": names[0], "b": names[1], "videos": len(a.summaries.videos), "metrics": as_json(found)})


if __name__ == "__main__":
    run(main)
