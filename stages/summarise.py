"""Summarise videos with a row that has been trained; no stage of `dvc.yaml`.

python -m stages.summarise VIDEO... [--row clipsum] [--study kitchen] [--transcript FILE] [--listen] [--json FILE] [--html FILE]

A VIDEO is a file or a folder. Its text is the one given, or the corpus's own, or that of a .txt, .vtt or .srt file beside it,
or what is heard in it.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from pipeline.base.params import load_params, load_study
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.summarise", description=__doc__)
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="a file, or a folder with videos at any depth")
    parser.add_argument("--row", default="clipsum", help="a trained row; default: clipsum")
    parser.add_argument("--study", help="the study that it was trained under; default: that of params.yaml")
    parser.add_argument("--transcript", metavar="FILE", help="what is said in all videos, text or subtitles; - is standard input")
    parser.add_argument(
        "--listen", action="store_true", help="hear what is said where there is no text, as a study with `speech` does"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="a JSON line a video; goes on where an earlier run was stopped")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page: frames, text, summary, what was attended to")
    arguments = parser.parse_args()
    params = load_params()
    if arguments.study is not None:
        params = replace(params, study=arguments.study, current=load_study(arguments.study))
    from pipeline.inference.files import Texts, find_videos
    from pipeline.inference.lines import Lines
    from pipeline.inference.listening import open_ear
    from pipeline.inference.names import on_one_line
    from pipeline.inference.outputs import check_outputs
    from pipeline.inference.page import write_page
    from pipeline.inference.trained import open_row

    videos = find_videos(arguments.videos)
    check_outputs(lines=arguments.json, page=arguments.html, videos=videos)
    texts, lines = Texts(arguments.transcript, open_ear(params, listen=arguments.listen)), Lines(arguments.json)
    trained = open_row(arguments.row, params)
    print(f"row {trained.row.name}, seed {trained.seed}, study {trained.study_name}. {trained.caution}".rstrip(), file=sys.stderr)
    found = lines.summarise(trained, videos, texts, params)
    for line in found:
        told = line["summary"] if line["status"] == "ok" else f"no summary: {line['reason']}"
        print(on_one_line(f"{line['video']}: {told}" if len(found) > 1 else told))
        if line["note"]:
            print(on_one_line(f"{line['video']}: {line['note']}"), file=sys.stderr)
    if arguments.html is not None:
        write_page(arguments.html, trained, videos, texts, params)
        print(f"page: {arguments.html}", file=sys.stderr)
    if all(line["status"] == "failed" for line in found):
        sys.exit(1)


if __name__ == "__main__":
    run(main)
