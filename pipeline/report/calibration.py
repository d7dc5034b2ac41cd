"""Can this study tell whether anything looks at the video? Three controls that never mention CLIP; without them, no verdict.

- positive: row `oracle`, which is shown what each frame truly shows through ClipSum's own temporal module and fusion, beats
  itself with another video's frames (corrected p below 0.01). If not, fusion or training is broken.
- negative: the same row where the text names everything (`oracle_named`) is equivalent to itself with another video's frames: two
  one-sided tests, within the margin.
- dose: the more the text hides, the more is gained from vision. What the oracle gains at the study's own dose is more than what
  it gains where nothing is hidden (p below 0.05); where the dose in between has been run (`make evidence`), its gain is in
  between.

A gain is the score with the own frames minus that with another video's, in the study's primary metric.
"""

from dataclasses import dataclass

from pipeline.evaluation.repeats import HALF
from pipeline.report.evidence import Evidence, difference
from pipeline.report.families import NAMED, ORACLE, Tested
from pipeline.report.results import Results
from pipeline.scoring.statistics import LEVEL, Comparison, Resampled, percentile_interval

POSITIVE_LEVEL = 0.01


@dataclass(frozen=True)
class Gain:
    """What the frames are worth at one dose, with its interval."""

    dose: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """None for a control that has not been run. `gains` are in the order of the dose."""

    positive: Tested | None
    negative: Tested | None
    gains: tuple[Gain, ...]
    growth: Gain | None
    growth_p: float

    @property
    def sees(self) -> bool | None:
        """The positive control."""
        return None if self.positive is None else self.positive.direction == 1 and self.positive.p < POSITIVE_LEVEL

    @property
    def imagines_nothing(self) -> bool | None:
        """The negative control."""
        return None if self.negative is None else self.negative.outcome == "equal"

    @property
    def grows(self) -> bool | None:
        """The dose."""
        if self.growth is None:
            return None
        means = [gain.mean for gain in self.gains]
        return self.growth.mean > 0 and self.growth_p < LEVEL and means == sorted(means)

    @property
    def calibrated(self) -> bool:
        return bool(self.sees and self.imagines_nothing and self.grows)


def calibrate(results: Results, evidence: Evidence, *, resamples: int) -> Calibration:
    """The three controls, from the rows that have been run."""
    positive, negative = (evidence.of(row, f"{row}_swapped") for row in (ORACLE, NAMED))
    found: dict[str, Comparison | None] = {
        "none": None if negative is None else negative.found,
        HALF: _half(results, resamples=resamples),
        "full": None if positive is None else positive.found,
    }
    gains = tuple(Gain(dose, each.mean, each.ci95_low, each.ci95_high) for dose, each in found.items() if each is not None)
    growth, p = None, 1.0
    if positive is not None and negative is not None:
        change: Resampled = positive.found.resampled - negative.found.resampled
        estimate = percentile_interval(positive.found.mean - negative.found.mean, change)
        growth, p = Gain("growth", estimate.mean, estimate.ci95_low, estimate.ci95_high), change.p()
    return Calibration(positive, negative, gains, growth, p)


def _half(results: Results, *, resamples: int) -> Comparison | None:
    """The gain at the dose in between, if it has been run for these rows."""
    own, swapped = (results.evidence.get(name) for name in (f"{ORACLE}_{HALF}", f"{ORACLE}_{HALF}_swapped"))
    if own is None or swapped is None:
        return None
    return difference(own, swapped, results.primary.key, resamples=resamples)
