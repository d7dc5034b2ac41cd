"""What a chat model said, as a text that may be kept: whole, without its reasoning, and without the key."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.base.chat_params import Endpoint

SHORTEST_KEY = 8  # characters; a shorter one, such as "none", is no secret and may be a word of the text
_MILLION = 1e6
_REASONING = r"think|thinking|thought|reasoning|reflection"
_TAG = re.compile(rf"<(/?)(?:[a-z]{{1,20}}:)?(?:{_REASONING})\b[^<>]*>", re.IGNORECASE)
_OWN_MARK = re.compile(r"<\|[^<>|]{0,60}\|>|◁[^◁▷]{0,60}▷|\[/?THINK\]")  # of models that mark their reasoning in other ways
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_GAP = r"[\s\u200b-\u200f\u2060\ufeff]*"  # what is not seen between two letters
_MOST_TOKENS = 10**9


@dataclass(frozen=True)
class Answer:
    """What the endpoint said, and the tokens it charged. `problem` says why the text cannot be used."""

    text: str
    tokens_in: int
    tokens_out: int
    problem: str = ""

    def cost(self, settings: Endpoint) -> float:
        return (self.tokens_in * settings.price_in + self.tokens_out * settings.price_out) / _MILLION


def read_answer(completion: Any, *, key: str, where: str, drawn: bool) -> tuple[Answer, bool]:
    """The answer in what the client made of a response, and whether it is worth keeping: another try would not help.

    `completion` is what the endpoint sent, so nothing is taken for granted. What is no answer at all is a `ValueError`, which
    names a parameter by its block, `where`. What was cut would be cut again; what is wrong in another way would be said again
    unless it was `drawn` by chance, or did not end as it should.
    """
    choices = getattr(completion, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if message is None:
        raise ValueError(f"what came is not an answer of a chat endpoint; check {where}base_url")
    content, finish = getattr(message, "content", None), getattr(choice, "finish_reason", None)
    said = scrubbed(content.encode("utf-8", "replace").decode(), key) if isinstance(content, str) else ""
    text, closed = _without_reasoning(_UNPRINTABLE.sub("", said))
    mark = _OWN_MARK.search(text)
    text = scrubbed(" ".join(text.split()), key)
    problem = ""
    if finish == "length":
        problem = f"the answer was cut at max_tokens: raise {where}max_tokens"
    elif finish != "stop":
        problem = f"the answer ended for the reason {scrubbed(repr(finish), key)[:60]}, not 'stop'"
    elif not closed:
        problem = "the answer has reasoning that does not end"
    elif mark is not None:
        problem = f"the answer has a mark of the model's own, {mark[0]}, so reasoning may be in it"
    elif not text:
        problem = "the answer is empty"
    usage = getattr(completion, "usage", None)
    tokens_in, tokens_out = _count(getattr(usage, "prompt_tokens", None)), _count(getattr(usage, "completion_tokens", None))
    final = finish == "length" or not problem or (finish == "stop" and not drawn)
    return Answer(text, tokens_in, tokens_out, scrubbed(problem, key)), final


def scrubbed(text: str, key: str) -> str:
    """The text with *** in place of the key, in any case, broken by what is not seen or not, if that is long enough to be one."""
    return re.sub(_GAP.join(map(re.escape, key)), "***", text, flags=re.IGNORECASE) if len(key) >= SHORTEST_KEY else text


def _without_reasoning(text: str) -> tuple[str, bool]:
    """The text outside reasoning, in one pass, and whether all of that is closed."""
    kept, depth, end = [], 0, 0
    for tag in _TAG.finditer(text):
        if depth == 0:
            kept.append(text[end : tag.start()])
        if not tag[1]:
            depth += 1
        elif depth:
            depth -= 1
        else:
            kept.clear()  # some templates open the block, so that the answer begins inside it
        end = tag.end()
    if depth == 0:
        kept.append(text[end:])
    return " ".join(kept), depth == 0


def _count(tokens: object) -> int:
    return min(tokens, _MOST_TOKENS) if isinstance(tokens, int) and tokens > 0 else 0
