"""Stage `weights`: image encoders behind one interface, and where their weights and those of text models come from."""
