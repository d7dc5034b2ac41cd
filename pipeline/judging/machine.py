"""A chat model as a judge: it answers the same sheet, once in each order, and is labelled as what it is.

An answer that changes with the order says nothing of the summaries: it counts as "the same" and is counted. An error is marked
where it was named in both orders. Frames are sent as JPEG data URLs, those of the sheet, evenly chosen if there are more than
the model is to see. Source: L. Zheng et al., Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, 2023 (position bias).
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.base.blocks import Count
from pipeline.base.chat_params import Endpoint
from pipeline.base.params import parse_yaml
from pipeline.base.scratch import fingerprint
from pipeline.base.text_files import parse_object
from pipeline.corpus.asking import Asking, Question, ask_all
from pipeline.frames.decoding import sample_positions
from pipeline.judging.answers import CHAT, Answer, Judge
from pipeline.judging.questions import ASKED, CHOICES, MARKED, QUESTIONS, SIDES, Side
from pipeline.judging.sheet import Item, Sheet

_OTHER: dict[Side, Side] = {"A": "B", "B": "A"}
_ASK = """You judge two summaries of one video, A and B, by frames of the video, in order, and by what is said in it.

{questions}
Mark errors, of each summary alone: {marks}.

Answer with one JSON object and nothing else:
{{"chosen": {{{chosen}}}, "errors": {{"A": [], "B": []}}}}
Each value of "chosen" is {choices}; "same" if you cannot tell them apart. Lists of "errors" hold any of {names}.
"""


class ChatJudge(Endpoint):
    """How a chat model is asked. `frames`: at most so many of a video; 0: the text alone."""

    frames: Count
    tokens_per_frame: Count

    @property
    def file_name(self) -> str:
        """The model, as part of a file's name; two models that are called nearly alike have two names."""
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', self.model)}-{fingerprint(self.base_url, self.model)[:6]}"


def read_chat_judge(path: Path) -> ChatJudge:
    """The settings in a YAML file; a key that is wrong, missing or unknown is a `ValueError` that names it."""
    if not path.is_file():
        raise ValueError(f"{path} is no file; docs/judging.md shows one")
    return parse_yaml(ChatJudge, path)


def judge_by_chat(sheet: Sheet, settings: ChatJudge, *, cache: Path) -> tuple[Judge, dict[str, str]]:
    """What the model answers, and a reason for each video of which it gives no answer that can be used."""
    asked = {(item.video, order): _question(item, order, settings) for item in sheet.items for order in SIDES}
    found = ask_all(asked, Asking(settings, "", "judgements", "question", cache))
    said, failed = found.answers, found.failed
    answers: dict[str, Answer] = {}
    changed: dict[str, list[Any]] = {}
    reasons: dict[str, str] = {}
    for item in sheet.items:
        pair = []
        for order in SIDES:
            try:
                if (item.video, order) in failed:
                    raise ValueError(failed[item.video, order])
                pair.append(read_said(said[item.video, order].text, swapped=order == "B"))
            except ValueError as error:
                reasons.setdefault(item.video, str(error))
        if len(pair) == len(SIDES):
            answers[item.video], differ = in_both_orders(*pair)
            changed |= {item.video: differ} if differ else {}
    if not answers:
        raise ValueError(f"{settings.model} gave no answer that can be used; the first: {next(iter(reasons.values()))}")
    judge = Judge(sheet=sheet.name, judge=f"{CHAT}{settings.model}", kind="chat", answers=answers, order_decided=changed)
    return judge, reasons


def read_said(text: str, *, swapped: bool) -> Answer:
    """A model's answer as the sheet calls the sides; `swapped`: the model was shown B as A. Anything else is a `ValueError`."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        raise ValueError(f"the answer is no JSON object: {text[:60]!r}")
    try:
        answer = Answer.model_validate(parse_object(text[begin : end + 1], where="the answer"))
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"the answer has {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
    if missing := [question for question in QUESTIONS if question not in answer.chosen]:
        raise ValueError(f"the answer does not say which is {ASKED[missing[0]].short}")
    if not swapped:
        return answer
    chosen = {question: _OTHER[choice] if choice != "same" else choice for question, choice in answer.chosen.items()}
    return Answer(chosen=chosen, errors={_OTHER[side]: named for side, named in answer.errors.items()})


def in_both_orders(one: Answer, other: Answer) -> tuple[Answer, list[Any]]:
    """What holds in both orders, and the questions whose answer changed with the order."""
    differ = [question for question in QUESTIONS if one.chosen[question] != other.chosen[question]]
    chosen = {question: "same" if question in differ else one.chosen[question] for question in QUESTIONS}
    errors = {
        side: [mark for mark in MARKED if all(mark in each.errors.get(side, []) for each in (one, other))] for side in SIDES
    }
    return Answer.model_validate({"chosen": chosen, "errors": errors}), differ


def _question(item: Item, shown_first: Side, settings: ChatJudge) -> Question:
    before = _ASK.format(
        questions="\n".join(f'"{question}": {ASKED[question].text}' for question in QUESTIONS),
        marks="; ".join(f'"{mark}": it {text}' for mark, text in MARKED.items()),
        chosen=", ".join(f'"{question}": ...' for question in QUESTIONS),
        choices=", ".join(f'"{choice}"' for choice in CHOICES),
        names=", ".join(f'"{mark}"' for mark in MARKED),
    )
    a, b = (item.summaries[side] for side in (shown_first, _OTHER[shown_first]))
    text = f"What is said in the video:\n{item.text or '(nothing is known)'}\n\nSummary A:\n{a}\n\nSummary B:\n{b}\n"
    few = min(settings.frames, len(item.frames))
    frames = [item.frames[place] for place in sample_positions(len(item.frames), count=few)] if few else []
    key = fingerprint(
        {name: getattr(settings, name) for name in ("base_url", "model", "temperature", "max_tokens")},
        before,
        text,
        [hashlib.sha256(frame.encode()).hexdigest() for frame in frames],
    )
    parts: list[Mapping[str, Any]] = [{"type": "text", "text": before}]
    parts += [{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{frame}"}} for frame in frames]
    parts.append({"type": "text", "text": text})
    return Question(key, lambda: parts, len((before + text).split()), len(frames) * settings.tokens_per_frame)
