"""Tuning: many trainings with other settings, of which the best one is kept.

space       which settings, and between what bounds
goal        what the best one is best at
settling    the aggregate and the threshold of a trained model, chosen from its scores
shelf       the folder of a study: its settings, its data, who works on what, what is kept
trials      what is known of every trial, and which one comes next
runner      one trial: trained, pruned, measured
study       all of them
report      what came of it, and which settings mattered
"""
