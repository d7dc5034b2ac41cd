"""stub"""
ENCODERS = ("clip_vit_b32", "resnet152")
def check_encoder_name(name: str, *, where: str) -> None:
    if name not in ENCODERS:
        raise ValueError(f"{where}: {name!r} is none of {', '.join(ENCODERS)}")
