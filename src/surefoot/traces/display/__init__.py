"""How a trace is shown: text made harmless, formulas as MathML, steps with all that is said of
them.
"""
