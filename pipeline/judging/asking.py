"""Questions with pictures, put to a chat endpoint: an estimate first, every answer kept under a hash of all that was asked.

A killed run never pays twice. The key comes only from the environment and is written to no file.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from pipeline.base.dataset_params import Chat
from pipeline.base.files import write_json
from pipeline.base.scratch import read_kept
from pipeline.base.text_files import is_writable
from pipeline.corpus.answers import SHORTEST_KEY, Answer, read_answer, scrubbed
from pipeline.corpus.chat import KEY

if TYPE_CHECKING:
    from pipeline.corpus.endpoint import Endpoint

N = TypeVar("N")
_TOKENS_PER_WORD = 1.4  # of English text, roughly; used only for the estimate
_KEPT: dict[str, type] = {"text": str, "tokens_in": int, "tokens_out": int, "problem": str}


@dataclass(frozen=True)
class Question:
    """`key` is a hash of all that is asked, `parts` the content of the message; the rest is for the estimate."""

    key: str
    parts: Sequence[Mapping[str, Any]]
    words: int
    tokens_of_frames: int


def ask_all(questions: Mapping[N, Question], settings: Chat, *, cache: Path) -> tuple[dict[N, str], dict[N, str]]:
    """Texts of the answers, and reasons for the questions that have none.

    Raises `ValueError`, before anything is sent, when the estimate exceeds `max_cost` or the key is missing; `RuntimeError` when
    the endpoint refuses the key or sends its clients elsewhere.
    """
    files = {name: cache / f"{question.key}.json" for name, question in questions.items()}
    todo = {name: question for name, question in questions.items() if _kept(files[name]) is None}
    _announce(list(todo.values()), len(questions), settings)
    failed = _ask(todo, files, settings) if todo else {}
    kept = {name: answer for name, file in files.items() if name not in failed and (answer := _kept(file)) is not None}
    failed |= {name: answer.problem for name, answer in kept.items() if answer.problem}
    key = os.environ.get(KEY, "")
    return {name: scrubbed(answer.text, key) for name, answer in kept.items() if not answer.problem}, failed


def _announce(todo: Sequence[Question], total: int, settings: Chat) -> None:
    tokens = sum(round(question.words * _TOKENS_PER_WORD) + question.tokens_of_frames for question in todo)
    most = Answer("", tokens, len(todo) * settings.max_tokens)
    print(
        f"judge: {len(todo)} of {total} questions to put to {settings.model} ({total - len(todo)} answered before); about "
        f"{most.tokens_in} tokens in, at most {most.tokens_out} out, a cost of at most {most.cost(settings):.2f}",
        flush=True,
    )
    if most.cost(settings) > settings.max_cost:
        raise ValueError(
            f"max_cost: {settings.max_cost} is less than the estimate of {most.cost(settings):.2f}; nothing was sent"
        )


def _ask(todo: Mapping[N, Question], files: Mapping[N, Path], settings: Chat) -> dict[N, str]:
    key = os.environ.get(KEY, "")
    if not key:
        raise ValueError(
            f"set {KEY} in the environment (for an endpoint without keys any word of fewer than {SHORTEST_KEY} letters) to have "
            f"{settings.model} judge"
        )
    from openai import AuthenticationError, PermissionDeniedError

    from pipeline.corpus.endpoint import Endpoint, Redirected

    endpoint, failed, spent = Endpoint(settings, key), {}, Answer("", 0, 0)
    with (
        ThreadPoolExecutor(settings.concurrency) as pool,
        tqdm(total=len(todo), unit="question", desc="ask", disable=None) as bar,
    ):
        pending = {pool.submit(_answer, endpoint, question, files[name], key): name for name, question in todo.items()}
        for done in as_completed(pending):
            try:
                answer = done.result()
                spent = Answer("", spent.tokens_in + answer.tokens_in, spent.tokens_out + answer.tokens_out)
                if answer.problem:
                    failed[pending[done]] = answer.problem
            except (AuthenticationError, PermissionDeniedError) as error:
                pool.shutdown(cancel_futures=True)
                raise RuntimeError(f"{settings.base_url} refuses the key in {KEY} ({type(error).__name__})") from None
            except Redirected as error:
                pool.shutdown(cancel_futures=True)
                place = scrubbed(str(error), key)[:200]
                raise RuntimeError(f"{settings.base_url} sends requests on to {place}; set base_url to where it is") from None
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)  # requests under way are paid for and finish; no new one starts
                raise
            except Exception as error:  # noqa: BLE001 - whatever makes a request fail is that question's reason
                failed[pending[done]] = scrubbed(" ".join(f"{type(error).__name__}: {error}".split()), key)[:200]
            bar.set_postfix(cost=f"{spent.cost(settings):.3f}")
            bar.update()
    print(f"judge: {spent.tokens_in} tokens in, {spent.tokens_out} out, {spent.cost(settings):.3f} spent, {len(failed)} failed")
    return failed


def _answer(endpoint: "Endpoint", question: Question, file: Path, key: str) -> Answer:
    content: Any = question.parts  # the endpoint hands on what it is given; a message may hold a list of parts as well as a text
    answer, final = read_answer(endpoint.ask(content), key=key)
    if final:  # an answer that was cut would be cut again; an empty one may be worth another try
        write_json(file, vars(answer))
    return answer


def _kept(file: Path) -> Answer | None:
    """An answer of an earlier run; None, with a warning, where the file is damaged, so that the question is put again."""
    kept = read_kept(file, _KEPT)
    if kept is None or not is_writable(kept["text"] + kept["problem"]):
        return None
    return Answer(**{key: kept[key] for key in _KEPT})
