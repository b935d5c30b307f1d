"""Traces of every kind, made up by hypothesis."""

from hypothesis import strategies as st

from surefoot import Step, StepLabels, StepScores, Trace
from surefoot.aggregate import RULES

MARKERS = ["<|im_end|>", "ки", "<extra_0>", "[PRM]", "\n\n\n\n\n", "a\0b", "\U0001f600", "\u2028"]

texts = st.one_of(
    st.sampled_from(MARKERS), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
solid = texts.filter(lambda text: bool(text.strip()))
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30)
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
steps = st.one_of(
    solid,
    st.builds(Step, solid, json_values),
    st.builds(Step, st.just(""), json_values.filter(lambda value: value is not None)),
)
shares = st.floats(0, 1)
counts = st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)).map(
    lambda pair: tuple(sorted(pair))
)


def per_step(values, size):
    return st.lists(st.one_of(st.none(), values), min_size=size, max_size=size).map(tuple)


def labels(size):
    sources = st.sampled_from(["human", "rollout", "judge", "checker", "other"])
    shared = {"source": sources, "annotator": st.none() | texts}
    counted = st.none() | per_step(counts, size)
    ratings = per_step(st.sampled_from([1, 0, -1, 1.0, -0.0]), size)
    return st.one_of(
        st.builds(StepLabels, ratings, scale=st.just("rating"), counts=counted, **shared),
        st.builds(
            StepLabels, per_step(shares, size), scale=st.just("value"), counts=counted, **shared
        ),
    )


def scores(size):
    unbounded = st.floats(allow_nan=False, allow_infinity=False)
    shared = {"model": texts, "default_aggregate": st.sampled_from(sorted(RULES))}
    odds = st.lists(st.tuples(shares, unbounded), min_size=size, max_size=size)
    return st.one_of(
        st.builds(StepScores, per_step(shares, size), threshold=shares, **shared),
        odds.flatmap(
            lambda pairs: st.builds(
                StepScores,
                st.just(tuple(p for p, _ in pairs)),
                log_odds=st.just(tuple(z for _, z in pairs)),
                **shared,
            )
        ),
        st.builds(
            StepScores,
            per_step(unbounded, size),
            kind=st.sampled_from(["value", "progress", "log-ratio", "reward"]),
            threshold=unbounded,
            **shared,
        ),
    )


@st.composite
def traces(draw):
    chosen = draw(st.lists(steps, min_size=1, max_size=4))
    return Trace(
        draw(solid),
        chosen,
        answer=draw(st.none() | texts),
        reference=draw(st.none() | texts),
        outcome=draw(st.none() | st.booleans()),
        source=draw(st.none() | texts),
        labels=draw(st.lists(labels(len(chosen)), max_size=2)),
        scores=draw(st.lists(scores(len(chosen)), max_size=2)),
        meta=draw(st.dictionaries(texts, json_values, max_size=3)),
    )
