"""Step labels from the policy's own continuations: how often it still arrives at the right answer.

    ends        how a chain ends: right, wrong, or not to be told, and why
    draws       continuations for many traces at once, each numbered and drawn from its own seed
    evidence    what the rollouts of one prefix have shown
    positions   the prefixes of a trace, and the labels that their counts give
    brute, sequential, binary, tree, budget    which prefixes are rolled out, and how often
    label       traces with labels

References: Wang et al. 2024, Math-Shepherd (2312.08935); Luo et al. 2024, OmegaPRM (2406.06592).
"""

from surefoot.labels.rollouts.draws import Drawing as Drawing
from surefoot.labels.rollouts.ends import answer_ends as answer_ends
from surefoot.labels.rollouts.ends import world_ends as world_ends
from surefoot.labels.rollouts.label import RolloutRule as RolloutRule
from surefoot.labels.rollouts.label import label_rollouts as label_rollouts
