"""What frozen features tell of a frame: a linear probe of the entity shown, the same for every encoder.

Source: A. Radford et al. 2021, arXiv 2103.00020, section 3.2: logistic regression on frozen features. It is fitted on frames of
training videos and scored on frames of test videos. Frames that show one entity count, as the annotated steps have it; those
that show none or several do not. So rows can be compared for what their encoders have learnt, and not for how little.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.paths import CORPUS
from pipeline.corpus.table import read_corpus
from pipeline.features.schema import read_features

STRENGTH = 0.1  # inverse of the L2 penalty, on standardised features


def probe_encoders(encoders: Mapping[str, Path], *, truth: Path) -> dict[str, Any]:
    """Accuracy in per cent by encoder, and how many frames of each split count.

    Without frames in both splits that show one entity, as where a dataset has no entities or no steps, there is no accuracy.
    """
    corpus = read_corpus(CORPUS, ("video_id", "split"))
    splits: dict[str, str] = dict(zip(corpus["video_id"], corpus["split"], strict=True))
    shown = _read(truth)
    one = shown.values.sum(axis=1) == 1
    labels = dict(
        zip((key for key, keep in zip(shown.keys, one, strict=True) if keep), shown.values[one].argmax(axis=1), strict=True)
    )
    frames = {split: sum(splits[video] == split for video, _ in labels) for split in ("train", "test")}
    accuracy = {}
    if all(frames.values()) and len(set(labels.values())) > 1:
        accuracy = {name: _probe(_read(folder), labels, splits) for name, folder in encoders.items()}
    return {"train_frames": frames["train"], "test_frames": frames["test"], "accuracy": accuracy}


class _Features:
    """`values` [N, D] of the frames `keys`, each a video and the number of the frame."""

    def __init__(self, keys: list[tuple[str, int]], values: np.ndarray) -> None:
        self.keys, self.values = keys, values


def _read(folder: Path) -> _Features:
    table = read_features(folder, ("video_id", "frame_index", "embedding"))
    values = table.column("embedding").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    keys = list(zip(table.column("video_id").to_pylist(), table.column("frame_index").to_pylist(), strict=True))
    return _Features(keys, values.reshape(len(table), -1).astype(np.float32))


def _probe(features: _Features, labels: Mapping[tuple[str, int], int], splits: Mapping[str, str]) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = [row for row, key in enumerate(features.keys) if key in labels]
    classes = np.array([labels[features.keys[row]] for row in rows])
    parts = np.array([splits[features.keys[row][0]] for row in rows])
    values, train, test = features.values[rows], parts == "train", parts == "test"
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # random features need not converge
        model.fit(values[train], classes[train])
    return round(100 * float(model.score(values[test], classes[test])), 2)
