"""Stages `evaluate`, `control` and `costs`, and the ablations: what a trained row says, sees and takes."""
