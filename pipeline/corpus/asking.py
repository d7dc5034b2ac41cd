"""Many questions put to a chat endpoint: an estimate first, every answer kept under a hash of all that was asked.

A killed run never pays twice, nor do two at once. The key comes only from the environment and is written to no file, not even
where an endpoint says it.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from filelock import FileLock
from tqdm import tqdm

from pipeline.base.chat_params import Endpoint
from pipeline.base.files import write_json
from pipeline.base.scratch import read_kept
from pipeline.base.text_files import is_writable
from pipeline.corpus.answers import SHORTEST_KEY, Answer, read_answer, scrubbed
from pipeline.corpus.spending import Spending

if TYPE_CHECKING:
    from pipeline.corpus.endpoint import ChatClient

N = TypeVar("N")
KEY = "OPENAI_API_KEY"
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


@dataclass(frozen=True)
class Found(Generic[N]):
    """Answers, and reasons for the questions that have none. `spent` has the tokens of all that was ever paid for them."""

    answers: dict[N, Answer]
    failed: dict[N, str]
    spent: Answer


def ask_all(questions: Mapping[N, Question], asking: Asking) -> Found[N]:
    """Ask what has not been answered. What is asked twice is asked once.

    Raises `ValueError`, before anything is sent, when the estimate exceeds `max_cost` or the key is missing, and later when what
    has been spent does; `RuntimeError` for what would meet every question: a refused key, another address, nobody there.
    """
    by_key = {question.key: question for question in questions.values()}
    kept = {key: answer for key in by_key if (answer := kept_answer(asking.cache, key)) is not None}
    todo = [question for key, question in by_key.items() if key not in kept]
    spending = Spending(asking.settings, asking.where, asking.what, asking.unit, [(q.words, q.tokens_of_frames) for q in todo])
    spending.announce(len(by_key) + asking.others)
    failed = {key: answer.problem for key, answer in kept.items() if answer.problem}
    if todo:
        answered, reasons = _ask(todo, asking, spending)
        kept, failed = kept | answered, failed | reasons
    secret = os.environ.get(KEY, "")
    answers = {
        name: replace(kept[question.key], text=scrubbed(kept[question.key].text, secret))
        for name, question in questions.items()
        if question.key not in failed
    }
    reasons_by_name = {name: failed[question.key] for name, question in questions.items() if question.key in failed}
    spent = Answer("", sum(each.tokens_in for each in kept.values()), sum(each.tokens_out for each in kept.values()))
    return Found(answers, reasons_by_name, spent)


def keep_answer(cache: Path, key: str, answer: Answer) -> None:
    write_json(cache / f"{key}.json", vars(answer))


def kept_answer(cache: Path, key: str) -> Answer | None:
    """An answer of an earlier run; None, with a warning, where the file is damaged, so that the question is put again."""
    kept = read_kept(cache / f"{key}.json", _KEPT)
    if kept is None or not is_writable(kept["text"] + kept["problem"]):
        return None
    return Answer(**{key: kept[key] for key in _KEPT})


def _ask(todo: Sequence[Question], asking: Asking, spending: Spending) -> tuple[dict[str, Answer], dict[str, str]]:
    """Answers and reasons by the keys of the questions."""
    settings, key = asking.settings, os.environ.get(KEY, "")
    if not key:
        raise ValueError(
            f"set {KEY} in the environment (for an endpoint without keys any word of fewer than {SHORTEST_KEY} letters) to ask "
            f"{settings.model} for {asking.what}"
        )
    from pipeline.corpus.endpoint import ChatClient

    client = ChatClient(settings, key)
    answers: dict[str, Answer] = {}
    failed: dict[str, str] = {}
    with (
        ThreadPoolExecutor(settings.concurrency) as pool,
        tqdm(total=len(todo), unit=asking.unit, desc="ask", disable=None) as bar,
    ):
        pending = [pool.submit(_put, client, question, asking, spending, key) for question in todo]
        try:
            for done in as_completed(pending):
                call = done.result()
                if call is None:
                    continue
                if call.answer is not None:
                    answers[call.question.key] = call.answer
                if call.reason:
                    failed[call.question.key] = call.reason
                asking.told(call)
                bar.set_postfix(cost=f"{spending.cost:.3f}")
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # requests under way are paid for and finish; no new one starts
            raise
    print(f"{asking.what}: {spending.in_words}, {len(failed)} failed")
    if spending.stopped is not None:
        raise spending.stopped
    return answers, failed


def _put(client: "ChatClient", question: Question, asking: Asking, spending: Spending, key: str) -> Call | None:
    """One question; None if no more are to be sent. Whatever makes a request fail is that question's reason."""
    from pipeline.corpus.endpoint import refusal_of_all

    settings = asking.settings
    with _alone(asking.cache, question.key):
        started = time.time_ns()
        if (kept := kept_answer(asking.cache, question.key)) is not None:  # another process has asked meanwhile
            return Call(question, started, time.time_ns(), kept, kept.problem)
        if spending.stopped is not None:
            return None
        try:
            said = client.ask(question.content())
            answer, final = read_answer(said, key=key, where=asking.where, drawn=settings.is_drawn)
        except Exception as error:  # noqa: BLE001 - it is this question's reason, and perhaps that of all
            refused = refusal_of_all(error, settings, where=asking.where, variable=KEY, key=key)
            spending.fail(error, refused)
            return Call(question, started, time.time_ns(), None, _reason(error, key))
        if final:
            keep_answer(asking.cache, question.key, answer)
        spending.add(answer, question.words, question.tokens_of_frames)
    return Call(question, started, time.time_ns(), answer, answer.problem)


def _alone(cache: Path, key: str) -> FileLock:
    """Of two who want to put one question, the second waits. A few questions share a lock, so that locks stay few."""
    (cache / ".locks").mkdir(parents=True, exist_ok=True)
    return FileLock(cache / ".locks" / f"{key[:2]}.lock")


def _reason(error: Exception, key: str) -> str:
    """The client's own words for a broken connection say nothing; what caused it does."""
    words = " ".join(f"{error} {error.__cause__ or ''}".encode("utf-8", "replace").decode().split())
    return f"{type(error).__name__}: {scrubbed(words, key)[:200]}"
