"""Decision trees out of a pickle: compiled code follows their indices blindly, so each one is looked at here."""

from typing import Any

import numpy as np
from sklearn.tree._tree import NODE_DTYPE, TREE_LEAF, Tree

from modelmoor_server.runtimes.sklearn.listed.stream import NotListedError

MAX_OUTPUTS, MAX_CLASSES = 10_000, 1_000_000

__all__ = ["Tree", "check_nodes", "empty_tree", "set_tree"]


def empty_tree(features: Any, classes: Any, outputs: Any) -> Tree:
    """`Tree(n_features, n_classes, n_outputs)` with as many classes as outputs."""
    sizes = (type(features) is int, isinstance(classes, np.ndarray), type(outputs) is int)
    if not all(sizes) or not 0 < features < 1 << 31 or not 0 < outputs <= MAX_OUTPUTS:
        raise _forged()
    if classes.dtype != np.intp or classes.shape != (outputs,) or not ((classes > 0) & (classes <= MAX_CLASSES)).all():
        raise _forged()
    return Tree(features, np.ascontiguousarray(classes), outputs)


def set_tree(tree: Tree, state: Any) -> None:
    """The nodes and values of a tree, once."""
    if type(state) is not dict or set(state) != {"max_depth", "node_count", "nodes", "values"} or tree.node_count:
        raise _forged()
    nodes, values, count = state["nodes"], state["values"], state["node_count"]
    if not isinstance(nodes, np.ndarray) or nodes.dtype != NODE_DTYPE or nodes.ndim != 1 or not len(nodes):
        raise _forged()
    if type(count) is not int or count != len(nodes) or type(state["max_depth"]) is not int:
        raise _forged()
    if (
        not isinstance(values, np.ndarray)
        or values.dtype != np.float64
        or values.shape
        != (
            count,
            tree.n_outputs,
            tree.max_n_classes,
        )
    ):
        raise _forged()
    left, right = nodes["left_child"], nodes["right_child"]
    check_nodes(left, right, nodes["feature"], left == TREE_LEAF, tree.n_features)
    tree.__setstate__({**state, "nodes": np.ascontiguousarray(nodes), "values": np.ascontiguousarray(values)})


def check_nodes(left: Any, right: Any, feature: Any, leaf: Any, features: int) -> None:
    """Every inner node points to two later nodes and to a feature that is there. Raises NotListedError."""
    count, place, inner = len(left), np.arange(len(left)), ~leaf
    for child in (left.astype(np.int64), right.astype(np.int64)):
        if not ((child > place) & (child < count))[inner].all():
            raise _forged()
    column = feature.astype(np.int64)
    if not ((column >= 0) & (column < features))[inner].all():
        raise _forged()


def _forged() -> NotListedError:
    return NotListedError("it holds a decision tree whose parts do not fit each other")
