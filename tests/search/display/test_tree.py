"""The drawn tree: a mark for each step by what became of it, and text that can do no harm."""

import re
from dataclasses import replace
from xml.etree import ElementTree

from made_results import made_result, node
from surefoot.search.display.marks import marks_of
from surefoot.search.display.tree_html import result_html, tree_html
from surefoot.search.display.tree_svg import Limits, draw, tree_svg

HOSTILE = "</script></style></title><img src=x onerror=hacked()>\"'\x00\u202e&"


def count(parts, kind):
    return len(re.findall(f'class="{kind}"', "".join(parts)))


def test_the_signs_say_what_became_of_each_branch():
    picture = draw(made_result(), Limits())
    parts = picture.parts
    assert len(picture.drawn.marks) == 8
    assert count(parts, "o oc") == 1
    assert count(parts, "o") == 1
    assert count(parts, "x") == 1
    assert count(parts, "n") == 2 + 3  # rewards behind two solutions, and the dots of the open end
    assert count(parts, r"m q\d") == 6
    dashed = next(one for one in parts if 'class="e p"' in one)
    assert dashed.count("M") == 1
    chosen = next(one for one in parts if 'class="c"' in one)
    assert chosen.count("M") == 1
    assert len(re.findall("[hc]", chosen.split(' d="')[1])) == 3


def test_marks_stand_right_of_their_parents():
    picture = draw(made_result(), Limits())
    for i, mark in enumerate(picture.drawn.marks[1:], 1):
        assert picture.xs[i] > picture.xs[mark.parent]
        assert 0 < picture.xs[i] < picture.width
        assert 0 < picture.ys[i] < picture.height


def test_answers_are_judged_where_there_is_a_reference():
    text = result_html(made_result())
    assert text.count("✓</tspan>") == 1
    assert text.count("✗</tspan>") == 1


def test_a_file_of_its_own_is_whole_xml_whatever_a_model_wrote():
    result = made_result(HOSTILE, answer=HOSTILE, problem=HOSTILE)
    root = ElementTree.fromstring(tree_svg(result))
    tags = {one.tag.partition("}")[2] for one in root.iter()}
    assert tags == {"svg", "title", "style", "rect", "path", "circle", "text", "tspan", "g"}
    for text in (tree_html(result), result_html(result)):
        assert "<img" not in text
        assert "</script" not in text
        assert "\x00" not in text
        assert "\u202e" not in text


def test_what_is_too_much_is_left_out_and_said():
    result = made_result()
    wide = replace(result, tree=(*result.tree, *(node(0, ["x"], "pruned") for _ in range(500))))
    drawn = marks_of(wide, most=20, steps=60)
    assert len(drawn.marks) == 21
    assert drawn.num_left == 500 + 7 - 20
    assert {3, 4} <= {mark.node for mark in drawn.marks}
    assert "more nodes that are not drawn" in tree_html(wide, limits=Limits(marks=20))
    long = replace(result, tree=(*result.tree, node(0, ["y"] * 100, "finished")))
    last = marks_of(long, most=1000, steps=10).marks[-1]
    assert (last.position, last.num_left, last.ends) == (99, 90, "finished")


def test_a_search_without_a_step_is_a_lone_problem():
    empty = replace(made_result(), solutions=(), tree=made_result().tree[:1], ended="failed")
    assert len(draw(empty, Limits()).drawn.marks) == 1
    assert "sf-tree" in result_html(empty)
