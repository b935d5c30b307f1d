from surefoot.search.tree import Node


def test_a_node_knows_its_path_and_its_text():
    root = Node(None, (), 0, 0)
    one = Node(root, ("a", "b"), 1, 2)
    two = Node(one, ("c",), 2, 3)
    assert [*two.path()] == [two, one, root]
    assert two.text == ("a", "b", "c")
    assert root.text == ()


def test_nodes_are_told_apart_by_identity():
    root = Node(None, (), 0, 0)
    assert Node(root, ("a",), 1, 1) != Node(root, ("a",), 1, 1)
