"""A scorer that needs no downloaded weights: numbers read off a step and what stands before it, and
trees grown on them.

`vector` gathers the features, of the wording (`surface`), the numbers (`quantities`), the closed
equations (`arithmetic`) and those with names in them (`algebra`); `scorer` is the reward model.
"""

FEATURES_FILE = "features.json"
"""The file that says what the trees in a folder are."""
