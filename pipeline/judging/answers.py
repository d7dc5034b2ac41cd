"""Files of answers to a sheet, as the page saves them and as a chat judge writes them: read strictly, a file a judge.

`{"sheet": "0123456789abcdef", "judge": "Ada", "kind": "person", "answers": {"video_1": {"chosen": {"faithful": "A", "useful":
"same"}, "errors": {"A": ["order"], "B": []}}}}`. A question that is not answered is not in `chosen`. A chat judge's file has
`order_decided`, too: by video, the questions whose answer changed with the order in which the summaries were shown.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.base.text_files import parse_object, read_text
from pipeline.judging.questions import Choice, Mark, Question, Side
from pipeline.judging.sheet import Key

CHAT = "chat:"  # how the name of a judge begins that is a model


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Answer(Strict):
    """What a judge said of one video."""

    chosen: dict[Question, Choice]
    errors: dict[Side, list[Mark]] = Field(default_factory=dict)


class Judge(Strict):
    """All that one judge said. Videos without an answer are not in `answers`, or have nothing in `chosen`."""

    sheet: str
    judge: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["person", "chat"]
    answers: dict[str, Answer]
    order_decided: dict[str, list[Question]] = Field(default_factory=dict)


def read_judges(paths: Sequence[Path], key: Key) -> list[Judge]:
    """The judges in the order of their files. Anything that does not fit the sheet is a `ValueError` naming file and item."""
    if not paths:
        raise ValueError("no files of answers; name those that judges saved")
    judges: list[Judge] = []
    files: dict[str, Path] = {}
    for path in paths:
        judge = _read(path, key)
        name = judge.judge.casefold()
        if name in files:
            raise ValueError(f"{path}: judge {judge.judge!r} has answers in {files[name]}, too; keep one file a judge")
        files[name] = path
        judges.append(judge)
    return judges


def _read(path: Path, key: Key) -> Judge:
    if not path.is_file():
        raise ValueError(f"{path} is no file; name those that judges saved")
    value = parse_object(read_text(path), where=str(path))
    if isinstance(value.get("judge"), str):
        value["judge"] = " ".join(value["judge"].split())
    try:
        judge = Judge.model_validate(value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        more = f" ({len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ValueError(f"{path}: {'; '.join(problems[:3])}{more}; export the answers again") from error
    if judge.sheet != key.sheet:
        raise ValueError(f"{path}: has answers to sheet {judge.sheet!r}, not to {key.sheet!r}; name the key of that sheet")
    if (judge.kind == "chat") != judge.judge.startswith(CHAT) or (judge.kind == "person" and judge.order_decided):
        raise ValueError(
            f"{path}: judge {judge.judge!r} is not of the kind {judge.kind!r}; {CHAT}<model> is a model, nobody else"
        )
    for video in [*judge.answers, *judge.order_decided]:
        if video not in key.first_is:
            raise ValueError(f"{path}: item {video!r} is not on sheet {key.sheet}; export the answers again")
    for video, answer in judge.answers.items():
        if twice := [side for side, marks in answer.errors.items() if len(set(marks)) < len(marks)]:
            raise ValueError(f"{path}: item {video!r}: an error of {twice[0]} is marked twice; export the answers again")
    if not any(answer.chosen for answer in judge.answers.values()):
        raise ValueError(f"{path}: judge {judge.judge!r} has answered nothing; leave the file out")
    return judge
