"""The drawn world: recipes, drawings, motion, video files. It knows nothing of datasets, splits or models."""
