"""Blocks of parameters that say how a chat model behind an OpenAI-compatible endpoint is asked."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from pipeline.base.blocks import Block, Count, NonNegative, Positive, Rate, Share

# Rows of a chat model, by what they show it; the last ones so many frames. `pipeline.evaluation.chat_message` says more.
ChatRow = Literal["llm_text", "vlm", "vlm_frames", "vlm_swapped", "vlm_8", "vlm_16", "vlm_50"]
CHAT_ROWS: tuple[str, ...] = get_args(ChatRow)
SHOWN = "{video}"  # in a prompt: where what is known of the video goes


class Endpoint(Block):
    """Address, model and limits. Prices are per million tokens; `temperature` None: the model's own, none is sent.

    `max_cost` is what one run may cost: nothing is sent when the estimate is above it, and no more when what is spent is.
    """

    base_url: str
    model: Annotated[str, Field(pattern=r"^\S+$", max_length=180)]
    temperature: NonNegative | None
    max_tokens: Positive
    concurrency: Positive
    retries: Count
    timeout_seconds: Rate
    price_in: NonNegative
    price_out: NonNegative
    max_cost: NonNegative

    @property
    def is_drawn(self) -> bool:
        """Whether chance enters, so that another draw is another answer."""
        return self.temperature is None or self.temperature > 0.0


class Chat(Endpoint):
    """A chat model that writes reference summaries from steps."""

    prompt: str

    @model_validator(mode="after")
    def _check(self) -> "Chat":
        if "{steps}" not in self.prompt:
            raise ValueError("prompt: {steps} is missing, the place where the steps go")
        return self


class ChatRows(Endpoint):
    """A chat model that is asked for summaries of the test videos: rows of the table without any training.

    `frames` of a video are sent at most, evenly chosen among those sampled; `detail` is the endpoint's word for their size.
    """

    prompt: str
    frames: Positive
    detail: Literal["auto", "low", "high"]
    tokens_per_frame: Count
    max_failed_share: Share

    @model_validator(mode="after")
    def _check(self) -> "ChatRows":
        if self.prompt.count(SHOWN) != 1:
            raise ValueError(f"prompt: {SHOWN} must stand there once, where text and frames of the video go")
        return self
