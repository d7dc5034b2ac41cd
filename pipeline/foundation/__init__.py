"""The mini models of `foundation/`: pretrained once on drawn pictures and recipe texts, shipped, made anew by `make
foundation`.
"""
