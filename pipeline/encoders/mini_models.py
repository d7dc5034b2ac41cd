"""Mini models (scale mini) by name: an image encoder or a text model, pretrained here, or written with random weights.

A pretrained model is kept in scratch under the code and the settings that made it, so it is made only once.
"""

from pathlib import Path
from typing import Any

from pipeline.base.code import code_digest
from pipeline.base.encoder_names import TEXT_MODELS
from pipeline.base.files import read_json
from pipeline.base.params import Pretrain, Runtime
from pipeline.base.scratch import discard, fingerprint, keep_only, link_files, scratch_folder
from pipeline.encoders.encoder import MINI

SCORES = "pretraining.json"


def make_mini_model(name: str, out: Path, *, settings: Pretrain, runtime: Runtime) -> dict[str, Any]:
    """Write the mini model `name` to `out`; returns its held-out scores, or where random weights come from."""
    if name in MINI and MINI[name].seed is not None:
        from pipeline.encoders.pretrained_weights import write_random_encoder

        return write_random_encoder(MINI[name], out)
    maker = "pipeline.encoders.mini_text_models" if name in TEXT_MODELS else "pipeline.encoders.mini_encoders"
    with scratch_folder(f"weights.{name}", fingerprint(settings.model_dump(), code_digest(maker))) as folder:
        made = folder / "model"
        if not (made / SCORES).exists():  # the last file that is written
            _pretrain(name, made, settings=settings, runtime=runtime, work=folder / "work")
        discard(folder / "work")
        scores: dict[str, Any] = read_json(made / SCORES)
        link_files(made, sorted(path.name for path in made.iterdir()), out)
        keep_only(folder)
    return scores


def _pretrain(name: str, out: Path, *, settings: Pretrain, runtime: Runtime, work: Path) -> None:
    from pipeline.base.device import choose_device
    from pipeline.encoders.mini_encoders import pretrain_encoder
    from pipeline.encoders.mini_text_models import pretrain_text_model

    device = choose_device(runtime.device)
    if name in TEXT_MODELS:
        pretrain_text_model(name, out, settings=settings, work=work, device=device)
    else:
        pretrain_encoder(name, out, settings=settings, work=work, device=device, workers=runtime.processes)
