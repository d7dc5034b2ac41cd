"""What a judge is asked about two summaries: one list, for the page, the reader of answers, a chat judge and the tables."""

from dataclasses import dataclass
from typing import Literal, get_args

Question = Literal["faithful", "useful"]
Choice = Literal["A", "B", "same"]
Side = Literal["A", "B"]
Mark = Literal["absent", "misses", "order", "fluency"]

QUESTIONS: tuple[Question, ...] = get_args(Question)
CHOICES: tuple[Choice, ...] = get_args(Choice)
SIDES: tuple[Side, ...] = get_args(Side)
MARKS: tuple[Mark, ...] = get_args(Mark)


@dataclass(frozen=True)
class Asked:
    """`keys` are those that choose A, B and neither, in this order."""

    text: str
    short: str
    keys: str


ASKED: dict[Question, Asked] = {
    "faithful": Asked("Which summary is more faithful to the video?", "more faithful", "123"),
    "useful": Asked("Which summary is more useful to somebody who has not seen it?", "more useful", "qwe"),
}
MARKED: dict[Mark, str] = {
    "absent": "names something that is not there",
    "misses": "misses what matters",
    "order": "has things in the wrong order",
    "fluency": "is not fluent",
}
