"""Runs of several sizes: the same draws as alone, files that are gone on with, and failures."""

from dataclasses import replace
from functools import partial

import pytest

from surefoot.errors import ModelError, UsageError
from surefoot.evals.matched.running import Bench, draw, drawn, place_of, searched
from surefoot.evals.matched.ways import SEARCHED, check_names, choice_of, sized
from surefoot.search.best_of_n import best_of_n
from surefoot.search.reward import Reward
from surefoot.search.running import search
from surefoot.search.settings import Settings
from surefoot.search.task import Task
from tabular import TabularScorer, made_up_world

TASKS = [Task(f"problem {i}", "1") for i in range(7)]
SETTINGS = Settings(reward=Reward(logprob_weight=1.0), seed=3)


def plain(result):
    """A result without its seconds and waits."""
    return replace(result, usage=replace(result.usage, seconds=0.0, asks=0))


def bench(folder, world=1, tasks=TASKS):
    policy, scorer = made_up_world(world)
    return Bench(tasks=tasks, policy=policy, scorer=scorer, settings=SETTINGS, folder=folder)


@pytest.mark.parametrize("world", range(4))
def test_every_size_of_shared_draws_is_what_best_of_n_finds_alone(world):
    policy, scorer = made_up_world(world)
    sizes = [1, 2, 5, 16]
    rows = list(draw(TASKS, policy, scorer, sizes, settings=SETTINGS))
    assert policy.usage.new_tokens == sum(row[-1].usage.new_tokens for row in rows)
    for i, n in enumerate(sizes):
        policy, scorer = made_up_world(world)
        alone = search(TASKS, policy, scorer, partial(best_of_n, n=n), settings=SETTINGS)
        assert [plain(row[i]) for row in rows] == [plain(one) for one in alone]


def test_a_run_that_was_cut_short_goes_on_and_a_whole_one_asks_for_nothing(tmp_path):
    whole = [list(map(plain, row)) for row in drawn(bench(None), [1, 4])]
    beams = [plain(one) for one in searched(bench(None), "beam", 4)]
    list(drawn(bench(tmp_path), [1, 4]))
    list(searched(bench(tmp_path), "beam", 4))
    for name, n, rows in (("best-of-n", 1, 5), ("best-of-n", 4, 2), ("beam", 4, 3)):
        place = place_of(tmp_path, name, n)
        lines = place.read_bytes().splitlines(keepends=True)
        place.write_bytes(b"".join(lines[:rows]) + lines[rows][:20])
    assert [list(map(plain, row)) for row in drawn(bench(tmp_path), [1, 4])] == whole
    assert [plain(one) for one in searched(bench(tmp_path), "beam", 4)] == beams
    done = bench(tmp_path)
    assert [list(map(plain, row)) for row in drawn(done, [1, 4])] == whole
    assert [plain(one) for one in searched(done, "beam", 4)] == beams
    assert done.policy.asked == []


def test_a_file_of_other_problems_is_refused(tmp_path):
    list(searched(bench(tmp_path), "beam", 2))
    with pytest.raises(UsageError, match="row 1 is about another problem"):
        list(searched(bench(tmp_path, tasks=[Task("another", "1")]), "beam", 2))
    with pytest.raises(UsageError, match="holds 7 results for 3 problems"):
        list(searched(bench(tmp_path, tasks=TASKS[:3]), "beam", 2))


class DyingScorer(TabularScorer):
    """Fails for good after some calls."""

    calls = 3

    def score_batch(self, traces):
        self.calls -= 1
        if self.calls < 0:
            raise ModelError("the scorer is gone")
        return super().score_batch(traces)


def test_searches_that_a_dead_scorer_cut_short_are_searched_again(tmp_path):
    whole = [plain(one) for one in searched(bench(None), "beam", 4)]
    dying = bench(tmp_path)
    dying = replace(dying, scorer=DyingScorer(dying.scorer.step_score), at_once=2)
    with pytest.raises(ModelError, match="the scorer is gone"):
        list(searched(dying, "beam", 4))
    assert place_of(tmp_path, "beam", 4).read_bytes().count(b'"ended":"failed"') == 0
    assert [plain(one) for one in searched(bench(tmp_path), "beam", 4)] == whole


@pytest.mark.parametrize("name", SEARCHED)
def test_every_method_runs_at_every_size(name):
    for n in (1, 2, 4):
        results = list(searched(bench(None), name, n))
        assert [one.problem for one in results] == [one.problem for one in TASKS]
        assert {one.chosen_by for one in results} == {choice_of(name, "argmax")}


def test_a_narrow_beam_has_two_beams():
    assert sized("narrow-beam", 16).keywords == {"width": 2, "children": 8}


def test_names_are_checked():
    with pytest.raises(UsageError, match="there is no method 'bean' to compare"):
        check_names(["beam", "bean"])
    with pytest.raises(UsageError, match="named twice"):
        check_names(["beam", "beam"])
