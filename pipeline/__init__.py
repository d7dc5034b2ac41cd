"""What the stages are made of. Data flows one way: videos, frames, features, models, predictions, metrics, report."""
