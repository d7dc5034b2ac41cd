"""What questions to a chat endpoint cost: an estimate, what has been spent, and a stop. Threads may share it."""

from collections.abc import Sequence
from threading import Lock

from pipeline.base.chat_params import Endpoint
from pipeline.corpus.answers import Answer

RECALIBRATED = 10  # answers, after which the estimate is made anew from what they have cost
_TOKENS_PER_WORD = 1.4  # of English text, roughly; used only where the endpoint has not counted
_UNREACHABLE = 3  # questions that find nobody, before any is answered, after which no more are sent


class Spending:
    """`sizes` are words and tokens of frames of every question that is to be put.

    `stopped` is the error for which no more may be sent. The rest of what is asked about is named as in messages.
    """

    def __init__(self, settings: Endpoint, where: str, what: str, unit: str, sizes: Sequence[tuple[int, int]]) -> None:
        self._settings, self._where, self._what, self._unit, self._sizes = settings, where, what, unit, sizes
        self._lock = Lock()
        self._spent = Answer("", 0, 0)
        self._answers = self._unreached = self._uncounted = 0
        self.stopped: Exception | None = None

    @property
    def cost(self) -> float:
        return self._spent.cost(self._settings)

    @property
    def in_words(self) -> str:
        told = f"{self._spent.tokens_in} tokens in, {self._spent.tokens_out} out, {self.cost:.3f} spent"
        return told + (f" (of {self._uncounted} answers the endpoint counted no tokens: estimated)" if self._uncounted else "")

    def announce(self, total: int) -> None:
        """Print the estimate. Above `max_cost` it is a `ValueError`."""
        todo, most = len(self._sizes), self._settings.max_cost
        estimate = Answer("", sum(_tokens_in(*size) for size in self._sizes), todo * self._settings.max_tokens)
        cost = estimate.cost(self._settings)
        print(
            f"{self._what}: {todo} of {total} {self._unit}s to put to {self._settings.model} ({total - todo} answered before); "
            f"about {estimate.tokens_in} tokens in, at most {estimate.tokens_out} out, a cost of at most {cost:.2f}",
            flush=True,
        )
        if cost > most:
            raise ValueError(f"{self._where}max_cost: {most} is less than the estimate of {cost:.2f}; nothing was sent")

    def add(self, answer: Answer, words: int, tokens_of_frames: int) -> None:
        """Count an answer, with the estimate where the endpoint has counted nothing; stop if all will cost too much."""
        counted = answer.tokens_in > 0
        tokens_in = answer.tokens_in if counted else _tokens_in(words, tokens_of_frames)
        tokens_out = answer.tokens_out if counted else self._settings.max_tokens
        with self._lock:
            self._spent = Answer("", self._spent.tokens_in + tokens_in, self._spent.tokens_out + tokens_out)
            self._answers += 1
            self._uncounted += not counted
            self._check()

    def fail(self, error: Exception, refused: str) -> None:
        """Count a question without an answer. `refused` says what would meet all of them, if this does."""
        from openai import APIConnectionError, APITimeoutError

        with self._lock:
            if isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError) and not self._answers:
                self._unreached += 1
                if self._unreached >= _UNREACHABLE:
                    refused = f"{self._settings.base_url} cannot be reached; start the endpoint, or set {self._where}base_url"
            if refused and self.stopped is None:
                self.stopped = RuntimeError(refused)

    def _check(self) -> None:
        most, total = self._settings.max_cost, len(self._sizes)
        whole = self.cost * total / self._answers
        if self._answers == RECALIBRATED < total:
            print(f"{self._what}: by the first {self._answers} answers, all {total} will cost about {whole:.2f}", flush=True)
        too_dear = whole > most if self._answers == RECALIBRATED else self.cost > most
        if too_dear and self._answers < total and self.stopped is None:
            self.stopped = ValueError(
                f"{self._where}max_cost: {most} is less than the {whole:.2f} that all {total} {self._unit}s will cost by the "
                f"{self._answers} answered so far, for {self.cost:.2f}; these are kept, and no more was sent than was under way"
            )


def _tokens_in(words: int, tokens_of_frames: int) -> int:
    return round(words * _TOKENS_PER_WORD) + tokens_of_frames
