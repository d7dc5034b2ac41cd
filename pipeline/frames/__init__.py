"""Stage `sample_frames`: exact decoding, and the store of sampled frames with its one reader."""
