"""Answers of a chat model between runs: in `data/answers/`, and in the predictions themselves, which git keeps.

So a clone scores such a row anew, after a change of metrics, without asking anybody.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json_lines
from pipeline.corpus.answers import Answer
from pipeline.corpus.asking import Question, keep_answer, kept_answer

_TOKENS = ("tokens_in", "tokens_out")


def answers_folder() -> Path:
    """Where paid answers lie: with the project, for queued experiments too."""
    return Path(os.environ.get("DVC_ROOT", ".")) / "data" / "answers"


def line(question: Question | None, answer: Answer | None, reason: str | None) -> dict[str, Any]:
    """What a prediction tells of its question, beside the summary: enough not to put it again. None was put without frames."""
    told = {} if question is None else {"question": question.key}
    return told | ({"problem": reason} if answer is None else {key: getattr(answer, key) for key in _TOKENS})


def take_back(predictions: Path, questions: Collection[str]) -> dict[str, str]:
    """Put answers that `predictions` has to these questions, by their keys, where answers lie; returns reasons of those that
    failed. What cannot be read is left, with a warning: the questions are put again.
    """
    if not predictions.exists():
        return {}
    try:
        lines: list[Mapping[str, Any]] = [each for _, each in read_json_lines(predictions)]
    except ValueError as error:
        print(f"warning: {error}; its answers are not taken back")
        return {}
    failed: dict[str, str] = {}
    for each in lines:
        key, text, problem = (str(each.get(name, "")) for name in ("question", "prediction", "problem"))
        if key in questions and problem:
            failed[key] = problem
        elif key in questions and text and kept_answer(answers_folder(), key) is None:
            tokens = [each[name] if isinstance(each.get(name), int) else 0 for name in _TOKENS]
            keep_answer(answers_folder(), key, Answer(text, tokens[0], tokens[1]))
    return failed
