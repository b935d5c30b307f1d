"""A vocabulary in which some tokens hold letters and the end of a step together."""

LETTERS = ["<pad>", "<end>", "\n", " ", "a", "b", "c", "d", "e", "b\n", "c\nd"]
