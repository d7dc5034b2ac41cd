"""`make rehearsal`: the youcook2 study at full size on random weights and a handful of videos, to learn what it costs."""
