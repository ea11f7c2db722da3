import numpy as np

def expit(x: np.ndarray, /) -> None:
    """1 / (1 + exp(-x)) of each number of x (float64, C-contiguous), in place, by the C library's exp."""

class Ensemble:
    """Decision trees, checked and copied; immutable, so any thread may call.

    trees: for each tree (left, right, feature: int64; threshold, values: float64), all C-contiguous, of its nodes; a
    leaf has left -1, node 0 is the root; values has `width` numbers a node. features: columns of x.
    width: 1 (tree t adds to sum t modulo sums), or the number of sums (each tree adds to all).
    start: float64, what each sum begins with. divisor: what each sum is divided by in the end, above 0.
    single: x is rounded to float32 before it is compared. Raises ValueError on anything that is not a tree.
    """

    def __new__(
        cls,
        trees: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...],
        features: int,
        width: int,
        start: np.ndarray,
        divisor: float,
        single: bool,
    ) -> Ensemble: ...
    def run(self, x: np.ndarray, out: np.ndarray, by_column: bool, /) -> bool:
        """The sums of each row of x (float64, rows times features, C-contiguous) into out (float64, rows times sums).

        by_column: sums by sums instead of row by row, for width 1. False where a number is not finite (as float32, for
        single): out is void then. Raises ValueError where the sizes do not fit. From about 20,000 walks (rows times
        trees) on, other threads run meanwhile.
        """
