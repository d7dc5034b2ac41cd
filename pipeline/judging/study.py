"""A study with judges, read and reckoned: people together, each chat judge alone, and how far the two agree."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.judging.answers import Judge
from pipeline.judging.automatic import Agreed, against, always_one_row, differences, majority_of
from pipeline.judging.preference import Agreement, Marked, Preference, Share, agreement, marks, preference
from pipeline.judging.questions import ASKED, MARKED, MARKS, QUESTIONS, Question
from pipeline.judging.sheet import Key
from pipeline.judging.votes import over_videos, votes
from pipeline.scoring.metrics import METRICS
from pipeline.scoring.statistics import Estimate, Floats

PEOPLE = "people"


@dataclass(frozen=True)
class Group:
    """Judges who are reckoned together. `with_people`: of a chat judge, its agreement with the people's majority, by question;
    `order_decided` counts its answers that changed with the order.
    """

    name: str
    judges: list[Judge]
    preferences: list[Preference]
    marks: list[Marked]
    metrics: dict[Question, list[Agreed]]
    always: dict[Question, float | None]
    order_decided: dict[Question, int]
    with_people: dict[Question, Agreement]


def reckon(judges: Sequence[Judge], key: Key, *, resamples: int, root: Path = Path()) -> list[Group]:
    """People first, if there are any; then each chat judge. The key names rows of the results below `root`."""
    people = [judge for judge in judges if judge.kind == "person"]
    groups = [(PEOPLE, people)] if people else []
    groups += [(judge.judge, [judge]) for judge in judges if judge.kind == "chat"]
    by_metric = differences(key, root=root)
    return [_group(name, members, people, key, by_metric, resamples) for name, members in groups]


def as_text(groups: Sequence[Group], key: Key) -> str:
    """All of it, for the terminal."""
    first, second = key.first, key.second
    parts = [
        f"sheet {key.sheet}: {len(key.first_is)} videos, {key.equal} left out for equal summaries, {key.unseen} without frames\n"
        f"first:  {first.title} ({first.row}, seed {first.trained_seed})\n"
        f"second: {second.title} ({second.row}, seed {second.trained_seed})\n"
        "Shares are of the first, in %, a tie as half for each; brackets are 95 % intervals."
    ]
    for group in groups:
        parts.append(f"== {group.name}: {', '.join(judge.judge for judge in group.judges)}")
        parts.append(_text(pd.DataFrame([_preference(found, group) for found in group.preferences])))
        parts.append(_text(pd.DataFrame([_marked(found) for found in group.marks])))
        for question, lines in group.metrics.items():
            parts.append(_text(pd.DataFrame([_agreed(found, question) for found in lines])))
            if (share := group.always[question]) is not None:
                parts.append(f"A metric that always prefers one row, the better one, agrees on {share:.1f} % of these videos.")
    return "\n\n".join(parts)


def as_json(groups: Sequence[Group], key: Key) -> dict[str, Any]:
    """Every figure, unrounded."""
    return {
        "sheet": key.sheet,
        "first": key.first.model_dump(),
        "second": key.second.model_dump(),
        "videos": len(key.first_is),
        "equal": key.equal,
        "unseen": key.unseen,
        "groups": [
            {
                "name": group.name,
                "judges": [judge.judge for judge in group.judges],
                "preferences": [asdict(found) | {"over": found.share.over} for found in group.preferences],
                "errors": [asdict(found) for found in group.marks],
                "metrics": {question: [_plain(found) for found in lines] for question, lines in group.metrics.items()},
                "always_one_row": group.always,
                "order_decided": group.order_decided,
                "with_people": {question: asdict(found) for question, found in group.with_people.items()},
            }
            for group in groups
        ],
    }


def _group(
    name: str, members: list[Judge], people: list[Judge], key: Key, by_metric: dict[str, Floats], resamples: int
) -> Group:  # fmt: skip
    found = [preference(members, key, question, resamples=resamples) for question in QUESTIONS]
    preferences = [each for each in found if each is not None]
    answered = [each.question for each in preferences]
    chats = [judge for judge in members if judge.kind == "chat"]
    return Group(
        name=name,
        judges=members,
        preferences=preferences,
        marks=[marks(members, key, mark, resamples=resamples) for mark in MARKS],
        metrics={
            question: [
                against(votes(members, key, question), by_metric[metric.key], metric, resamples=resamples)
                for metric in METRICS
                if metric.key in by_metric
            ]
            for question in answered
        },
        always={question: always_one_row(votes(members, key, question)) for question in answered},
        order_decided={
            question: sum(question in changed for judge in chats for changed in judge.order_decided.values())
            for question in answered
            if chats
        },
        with_people={question: _with_people(members, people, key, question) for question in answered if chats and people},
    )


def _with_people(chat: list[Judge], people: list[Judge], key: Key, question: Question) -> Agreement:
    """Of two answers to each video: the chat judge's and the people's majority."""
    by_people = votes(people, key, question)
    majority = np.full(by_people.shape[1], np.nan)
    if not np.isnan(by_people).all():
        share_v, seen_V = over_videos(by_people)
        majority[seen_V] = (majority_of(share_v) + 1) / 2
    return agreement(np.vstack([votes(chat, key, question), majority]))


def _preference(found: Preference, group: Group) -> dict[str, str]:
    cells = {
        "Question": ASKED[found.question].short,
        "Judges": str(found.share.judges),
        "Videos": str(found.share.videos),
        "First": _shown(found.share.estimate),
        "Over": found.share.over,
        "p bootstrap": _p(found.share.p_bootstrap),
        "p randomisation": _p(found.share.p_randomisation),
        "Detectable": f"{found.share.detectable:.1f}",
        "Won/tied/lost": f"{found.wins}/{found.ties}/{found.losses}",
    }
    if group.order_decided:
        cells["Order decided"] = str(group.order_decided[found.question])
    agreed = group.with_people.get(found.question) if group.order_decided else found.agreement
    if agreed is not None:
        cells["Alpha with people" if group.order_decided else "Alpha"] = (
            f"{agreed.alpha:.2f}" if agreed.alpha is not None else f"- ({agreed.reason})"
        )
        cells["Same answer"] = "-" if agreed.equal is None else f"{agreed.equal:.0f} %"
    return cells


def _marked(found: Marked) -> dict[str, str]:
    difference: Share = found.difference
    return {
        "Error: it ...": MARKED[found.mark],
        "First": f"{found.first:.1f}",
        "Second": f"{found.second:.1f}",
        "Difference": _shown(difference.estimate),
        "p bootstrap": _p(difference.p_bootstrap),
        "p randomisation": _p(difference.p_randomisation),
    }


def _agreed(found: Agreed, question: Question) -> dict[str, str]:
    return {
        f"Metric: {ASKED[question].short}": found.metric.short,
        "Agrees with majority": "-" if found.share is None else _shown(found.share),
        "Videos": str(found.videos),
        "Kendall's tau": "-" if found.tau is None else f"{found.tau:+.2f}",
    }


def _plain(found: Agreed) -> dict[str, Any]:
    share = None if found.share is None else asdict(found.share)
    return {"metric": found.metric.key, "share": share, "videos": found.videos, "tau": found.tau}


def _text(table: pd.DataFrame) -> str:
    return str(table.to_string(index=False, justify="left"))


def _shown(found: Estimate) -> str:
    return f"{found.mean:.1f} [{found.ci95_low:.1f}, {found.ci95_high:.1f}]"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
