"""A linear probe of every encoder's frozen features: which entity does a frame show? `python -m stages.probe`

The stage `probe_more` does the same for one of `more_encoders`.
"""

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import FEATURES, METRICS
from pipeline.evaluation.probe import probe_encoders
from stages import run, running_item

PROBED = ("resnet152", "vit_b32_labels", "random_vit_b32")  # besides the encoder under study


def main() -> None:
    params, more = load_params(), running_item()
    asked = (more,) if more else dict.fromkeys((params.encoder, *PROBED))
    # Those that are there: somebody may have taken rows out of dvc.yaml, and their encoders with them.
    names = [name for name in asked if (FEATURES / name).exists()]
    probes = probe_encoders({name: FEATURES / name for name in names}, truth=FEATURES / "oracle")
    write_json(METRICS / (f"probe_{more}.json" if more else "probes.json"), probes)
    for name, accuracy in probes["accuracy"].items():
        print(f"{name}: names the entity in {accuracy:.1f} % of {probes['test_frames']} frames of test videos")


if __name__ == "__main__":
    run(main)
