"""Reference summaries from a chat model behind any OpenAI-compatible endpoint.

Every answer is kept under a hash of what was asked, so a killed run never pays twice. The key comes only from the environment
and is never written to a file, not even where an endpoint says it.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.base.dataset_params import Chat
from pipeline.base.files import write_json
from pipeline.base.scratch import fingerprint, read_kept
from pipeline.base.text_files import is_writable
from pipeline.corpus.answers import SHORTEST_KEY, Answer, read_answer, scrubbed
from pipeline.corpus.summaries import is_correction, read_lines, source_sha256, write_lines
from pipeline.corpus.table import join_steps

if TYPE_CHECKING:
    from pipeline.corpus.endpoint import Endpoint

KEY = "OPENAI_API_KEY"
_TOKENS_PER_WORD = 1.4  # of English text, roughly; used only for the estimate


def generate_summaries(steps: Mapping[str, Sequence[str]], path: Path, *, settings: Chat, cache: Path) -> dict[str, str]:
    """Write a summary of each video's steps to `path`; returns a reason for every video that has none.

    Corrections in `path` are kept, and so are lines that answer the same question (steps, prompt, model and settings). Each line
    names its question, so the file alone is enough to avoid paying twice. Prints an estimate first. Raises `ValueError` when it
    exceeds `max_cost` or the key is missing, `RuntimeError` when the endpoint refuses the key or names another address.
    """
    lines = read_lines(path) if path.exists() else {}
    corrected = {video_id for video_id, line in lines.items() if is_correction(line)}
    keys = {video_id: _key(text, settings) for video_id, text in steps.items()}
    answered = {video_id for video_id, key in keys.items() if lines.get(video_id, {}).get("question") == key}
    asked = {video_id: text for video_id, text in steps.items() if video_id not in corrected | answered}
    for video_id in sorted(corrected & steps.keys()):
        if lines[video_id].get("source_sha256", source_sha256(steps[video_id])) != source_sha256(steps[video_id]):
            print(
                f"{path}: the steps of {video_id} have changed since its summary was corrected; the correction is kept: check it"
            )
    files = {video_id: cache / f"{keys[video_id]}.json" for video_id in asked}
    todo = [video_id for video_id, file in files.items() if _kept_answer(file) is None]
    _announce([steps[video_id] for video_id in todo], len(steps), len(corrected & steps.keys()), settings)
    failed = _ask_all({video_id: steps[video_id] for video_id in todo}, files, settings) if todo else {}
    answers = {video_id: answer for video_id, file in files.items() if (answer := _kept_answer(file)) is not None}
    failed |= {video_id: answer.problem for video_id, answer in answers.items() if answer.problem}
    for video_id in asked:
        if video_id not in failed:
            text = scrubbed(answers[video_id].text, os.environ.get(KEY, ""))
            source = source_sha256(steps[video_id])
            lines[video_id] = {
                "video_id": video_id, "summary": text, "generated": text, "source_sha256": source, "model": settings.model,
                "question": keys[video_id],
            }  # fmt: skip
        elif video_id in lines:
            failed[video_id] += "; the file keeps the summary written for an earlier question"
    write_lines(path, lines)
    return failed


def _key(steps: Sequence[str], settings: Chat) -> str:
    return fingerprint(
        settings.base_url, settings.model, settings.temperature, settings.max_tokens, settings.prompt, join_steps(steps)
    )


def _announce(todo: Sequence[Sequence[str]], total: int, corrected: int, settings: Chat) -> None:
    words = sum(len(settings.prompt.split()) + len(join_steps(steps).split()) for steps in todo)
    most = Answer("", round(words * _TOKENS_PER_WORD), len(todo) * settings.max_tokens)
    print(
        f"summaries: {len(todo)} of {total} videos to ask {settings.model} about ({corrected} corrected by hand, "
        f"{total - len(todo) - corrected} answered before); about {most.tokens_in} tokens in, at most {most.tokens_out} out, "
        f"a cost of at most {most.cost(settings):.2f}",
        flush=True,
    )
    if most.cost(settings) > settings.max_cost:
        raise ValueError(
            f"dataset.chat.max_cost: {settings.max_cost} is less than the estimate of {most.cost(settings):.2f}; nothing was sent"
        )


def _ask_all(steps: Mapping[str, Sequence[str]], files: Mapping[str, Path], settings: Chat) -> dict[str, str]:
    key = os.environ.get(KEY, "")
    if not key:
        raise ValueError(
            f"set {KEY} in the environment (for an endpoint without keys any word of fewer than {SHORTEST_KEY} letters) to have "
            f"summaries written by {settings.model}"
        )
    from openai import AuthenticationError, PermissionDeniedError

    from pipeline.corpus.endpoint import Endpoint, Redirected

    endpoint = Endpoint(settings, key)
    failed: dict[str, str] = {}
    spent = Answer("", 0, 0)
    with ThreadPoolExecutor(settings.concurrency) as pool, tqdm(total=len(steps), unit="video", desc="ask", disable=None) as bar:
        pending = {pool.submit(_ask, endpoint, text, files[video_id], settings): video_id for video_id, text in steps.items()}
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
                raise RuntimeError(
                    f"{settings.base_url} sends requests on to {place}; set dataset.chat.base_url to where the endpoint is"
                ) from None
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)  # requests under way are paid for and finish; no new one starts
                raise
            except Exception as error:  # noqa: BLE001 - whatever makes a request fail is that video's reason
                failed[pending[done]] = _reason(error, key)
            bar.set_postfix(cost=f"{spent.cost(settings):.3f}")
            bar.update()
    print(
        f"summaries: {spent.tokens_in} tokens in, {spent.tokens_out} out, {spent.cost(settings):.3f} spent, {len(failed)} failed"
    )
    return failed


def _ask(endpoint: "Endpoint", steps: Sequence[str], file: Path, settings: Chat) -> Answer:
    completion = endpoint.ask(settings.prompt.replace("{steps}", join_steps(steps)))
    answer, final = read_answer(completion, key=os.environ.get(KEY, ""))
    if final:  # an answer that was cut would be cut again; an empty one may be worth another try
        write_json(file, vars(answer))
    return answer


def _kept_answer(file: Path) -> Answer | None:
    """An answer of an earlier run; None, with a warning, where the file is damaged, so that the question is asked again."""
    keys: dict[str, type] = {"text": str, "tokens_in": int, "tokens_out": int, "problem": str}
    kept = read_kept(file, keys)
    if kept is None or not is_writable(kept["text"] + kept["problem"]):
        return None
    return Answer(**{key: kept[key] for key in keys})


def _reason(error: Exception, key: str) -> str:
    """The client's own words for a broken connection say nothing; what caused it does."""
    words = " ".join(f"{error} {error.__cause__ or ''}".encode("utf-8", "replace").decode().split())
    return f"{type(error).__name__}: {scrubbed(words, key)[:200]}"
