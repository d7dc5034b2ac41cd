"""Where videos and their texts come from. Every dataset ends as the one table of `pipeline.corpus`."""
