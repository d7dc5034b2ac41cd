"""Reference summaries from a chat model behind any OpenAI-compatible endpoint.

A person may correct them. `pipeline.corpus.asking` keeps every answer and pays for none twice.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pipeline.base.chat_params import Chat
from pipeline.base.scratch import fingerprint
from pipeline.corpus.asking import Asking, Question, ask_all
from pipeline.corpus.summaries import is_correction, read_lines, source_sha256, write_lines
from pipeline.corpus.table import join_steps


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
    questions = {
        video_id: Question(keys[video_id], partial(_prompt, settings, text), len(_prompt(settings, text).split()))
        for video_id, text in asked.items()
    }
    asking = Asking(settings, "dataset.chat.", "summaries", "video", cache, others=len(steps) - len(questions))
    found = ask_all(questions, asking)
    answers, failed = found.answers, found.failed
    for video_id in asked:
        if video_id not in failed:
            text, source = answers[video_id].text, source_sha256(steps[video_id])
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


def _prompt(settings: Chat, steps: Sequence[str]) -> str:
    return settings.prompt.replace("{steps}", join_steps(steps))
