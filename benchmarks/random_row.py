"""The row `clipsum` at full size on random weights, ready to summarise: how long it takes hangs on no weight.

BART-base and its tokenizer are those of the rehearsal, CLIP ViT-B/32 is the library's own. Nothing is fetched.
"""

from dataclasses import replace
from pathlib import Path

from pipeline.base.device import choose_device, fix_seed
from pipeline.base.params import Params, load_study
from pipeline.encoders.encoder import Encoder, build_module
from pipeline.encoders.pretrained_specs import pretrained_spec
from pipeline.encoders.pretrained_weights import TEXT_MODELS
from pipeline.inference.trained import TrainedRow
from pipeline.models.parts.summarizer import create
from pipeline.rehearsal.architectures import Shapes, build_models
from pipeline.training.batches import load_tokenizer
from pipeline.training.table_row import declared_row

STUDY, ROW, ENCODER, SEED = "youcook2", "clipsum", "clip_vit_b32", 0


def random_row(params: Params, work: Path) -> TrainedRow:
    """A row whose summaries all have the greatest length that the study allows: random weights say nothing of where one ends.

    The text model is kept in `work`.
    """
    study, device = load_study(STUDY).of_row(ROW), choose_device(params.runtime.device)
    text = build_models(["bart"], Shapes(), work) / TEXT_MODELS["bart"][0]
    row, spec = declared_row(ROW, encoder=ENCODER), replace(pretrained_spec(ENCODER), seed=SEED)
    fix_seed(SEED)
    encoder = Encoder(spec, build_module(spec, weights_follow=True).to(device).eval())
    shape = {"feature_width": spec.dim, "max_frames": study.frames.count}
    system = create(row.model, text_folder=text, settings=study.model, **shape).to(device).eval()
    system.text.generation_config.min_length = study.generate.max_tokens
    return TrainedRow(
        row=row,
        seed=SEED,
        validation=0.0,
        study_name=STUDY,
        study=study,
        fingerprint="random weights",
        system=system,
        tokenizer=load_tokenizer(text),
        encoder=encoder,
        spec=spec,
        device=device,
    )
