"""From a video to its summary, by a row that has been trained: what `python -m stages.summarise` does."""
