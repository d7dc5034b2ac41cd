"""Tables, figures and the page, rebuilt from `predictions/` and `metrics/` alone."""
