"""Ask a chat model for summaries of the test videos, and score them like every other row. It costs money.

python -m stages.chat --row vlm
"""

from pipeline.base.params import load_params
from pipeline.evaluation.chat import chat_row
from pipeline.evaluation.chat_message import KINDS
from stages import item_of_stage, run


def main() -> None:
    name = item_of_stage(__doc__, "row", meaning=f"one of {', '.join(KINDS)}")
    if name not in KINDS:
        raise ValueError(f"row {name!r} is none of {', '.join(KINDS)}")
    record = chat_row(name, load_params())
    print(record.in_short)
    if record.asked is not None and record.asked.failed:
        print(f"{name}: {len(record.asked.failed)} of {record.asked.questions} summaries never came; they are empty and score 0")


if __name__ == "__main__":
    run(main)
