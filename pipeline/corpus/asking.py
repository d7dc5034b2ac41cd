"""Many questions put to a chat endpoint: an estimate first, every answer kept under a hash of all that was asked.

A killed run never pays twice. The key comes only from the environment and is written to no file, not even where an endpoint
says it.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from pipeline.base.chat_params import Endpoint
from pipeline.base.files import write_json
from pipeline.base.scratch import read_kept
from pipeline.base.text_files import is_writable
from pipeline.corpus.answers import SHORTEST_KEY, Answer, read_answer, scrubbed

if TYPE_CHECKING:
    from pipeline.corpus.endpoint import ChatClient

N = TypeVar("N")
KEY = "OPENAI_API_KEY"
RECALIBRATED = 10  # answers, after which the estimate is made anew from what they have cost
_TOKENS_PER_WORD = 1.4  # of English text, roughly; used only for the first estimate
_KEPT: dict[str, type] = {"text": str, "tokens_in": int, "tokens_out": int, "problem": str}


@dataclass(frozen=True)
class Question:
    """`key` is a hash of all that is asked; `content` makes the content of the message, a text or a list of parts.

    `words` and `tokens_of_frames` are for the estimate. `about` is what a trace of the call tells of it.
    """

    key: str
    content: Callable[[], str | Sequence[Mapping[str, Any]]]
    words: int
    tokens_of_frames: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A question that was put: when (ns since 1970), and the answer, or the reason why there is none."""

    question: Question
    started: int
    ended: int
    answer: Answer | None
    reason: str


@dataclass(frozen=True)
class Asking:
    """Whom to ask, and how that is called in messages: `what` is asked about (summaries), in `unit`s (video).

    `where` is the key of the parameters that hold `settings`. `cache` has a file an answer. `others` is how many more need not be
    asked about, for the estimate's words. `told` hears of every call.
    """

    settings: Endpoint
    where: str
    what: str
    unit: str
    cache: Path
    others: int = 0
    told: Callable[[Call], None] = lambda call: None


def ask_all(questions: Mapping[N, Question], asking: Asking) -> tuple[dict[N, Answer], dict[N, str]]:
    """Answers, and reasons for the questions that have none.

    Raises `ValueError`, before anything is sent, when the estimate exceeds `max_cost` or the key is missing, and later when what
    is left would; `RuntimeError` when the endpoint refuses the key or the form of the question, or names another address.
    """
    by_key = {question.key: question for question in questions.values()}  # what is asked twice is asked once
    kept = {key: answer for key in by_key if (answer := kept_answer(asking.cache / f"{key}.json")) is not None}
    todo = [question for key, question in by_key.items() if key not in kept]
    _announce(todo, len(by_key) + asking.others, asking)
    failed = {key: answer.problem for key, answer in kept.items() if answer.problem}
    if todo:
        answered, reasons = _ask(todo, asking)
        kept, failed = kept | answered, failed | reasons
    secret = os.environ.get(KEY, "")
    answers = {
        name: replace(kept[question.key], text=scrubbed(kept[question.key].text, secret))
        for name, question in questions.items()
        if question.key not in failed
    }
    return answers, {name: failed[question.key] for name, question in questions.items() if question.key in failed}


def kept_answer(file: Path) -> Answer | None:
    """An answer of an earlier run; None, with a warning, where the file is damaged, so that the question is put again."""
    kept = read_kept(file, _KEPT)
    if kept is None or not is_writable(kept["text"] + kept["problem"]):
        return None
    return Answer(**{key: kept[key] for key in _KEPT})


def _announce(todo: Sequence[Question], total: int, asking: Asking) -> None:
    settings = asking.settings
    tokens = sum(round(question.words * _TOKENS_PER_WORD) + question.tokens_of_frames for question in todo)
    most = Answer("", tokens, len(todo) * settings.max_tokens)
    print(
        f"{asking.what}: {len(todo)} of {total} {asking.unit}s to put to {settings.model} ({total - len(todo)} answered "
        f"before); about {most.tokens_in} tokens in, at most {most.tokens_out} out, a cost of at most {most.cost(settings):.2f}",
        flush=True,
    )
    if most.cost(settings) > settings.max_cost:
        raise ValueError(
            f"{asking.where}max_cost: {settings.max_cost} is less than the estimate of {most.cost(settings):.2f}; "
            "nothing was sent"
        )


def _ask(todo: Sequence[Question], asking: Asking) -> tuple[dict[str, Answer], dict[str, str]]:
    """Answers and reasons by the keys of the questions."""
    settings, key = asking.settings, os.environ.get(KEY, "")
    if not key:
        raise ValueError(
            f"set {KEY} in the environment (for an endpoint without keys any word of fewer than {SHORTEST_KEY} letters) to ask "
            f"{settings.model} for {asking.what}"
        )
    from pipeline.corpus.endpoint import ChatClient, refusal_of_all

    client, spent = ChatClient(settings, key), Answer("", 0, 0)
    answers: dict[str, Answer] = {}
    failed: dict[str, str] = {}
    with (
        ThreadPoolExecutor(settings.concurrency) as pool,
        tqdm(total=len(todo), unit=asking.unit, desc="ask", disable=None) as bar,
    ):
        pending = [pool.submit(_put, client, question, asking, key) for question in todo]
        try:
            for place, done in enumerate(as_completed(pending), start=1):
                call, error = done.result()
                if call.answer is not None:
                    spent = Answer("", spent.tokens_in + call.answer.tokens_in, spent.tokens_out + call.answer.tokens_out)
                    answers[call.question.key] = call.answer
                if call.reason:
                    failed[call.question.key] = call.reason
                asking.told(call)
                if error is not None and (refused := refusal_of_all(error, settings, where=asking.where, variable=KEY)):
                    raise RuntimeError(scrubbed(refused, key))
                bar.set_postfix(cost=f"{spent.cost(settings):.3f}")
                bar.update()
                _check_cost(spent, place, len(todo), asking)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # requests under way are paid for and finish; no new one starts
            raise
    print(
        f"{asking.what}: {spent.tokens_in} tokens in, {spent.tokens_out} out, {spent.cost(settings):.3f} spent, "
        f"{len(failed)} failed"
    )
    return answers, failed


def _put(client: "ChatClient", question: Question, asking: Asking, key: str) -> tuple[Call, Exception | None]:
    """One question. Whatever makes a request fail is that question's reason."""
    started = time.time_ns()
    try:
        answer, final = read_answer(client.ask(question.content()), key=key, where=asking.where)
    except Exception as error:  # noqa: BLE001 - the reason is told, and what concerns all questions is found by the caller
        return Call(question, started, time.time_ns(), None, _reason(error, key)), error
    if final:  # an answer that was cut would be cut again; an empty one may be worth another try
        write_json(asking.cache / f"{question.key}.json", vars(answer))
    return Call(question, started, time.time_ns(), answer, answer.problem), None


def _check_cost(spent: Answer, done: int, total: int, asking: Asking) -> None:
    """Stop where what is left would cost more than it may, as far as the answers so far can tell."""
    settings, cost = asking.settings, spent.cost(asking.settings)
    if done < RECALIBRATED or done == total:
        return
    whole = cost * total / done
    if done == RECALIBRATED:
        print(f"{asking.what}: by the first {done} answers, all {total} will cost about {whole:.2f}", flush=True)
    if whole > settings.max_cost and (done == RECALIBRATED or cost > settings.max_cost):
        raise ValueError(
            f"{asking.where}max_cost: {settings.max_cost} is less than the {whole:.2f} that all {total} {asking.unit}s will cost "
            f"by the {done} answered so far, for {cost:.2f}; these are kept, and no more was sent"
        )


def _reason(error: Exception, key: str) -> str:
    """The client's own words for a broken connection say nothing; what caused it does."""
    words = " ".join(f"{error} {error.__cause__ or ''}".encode("utf-8", "replace").decode().split())
    return f"{type(error).__name__}: {scrubbed(words, key)[:200]}"
