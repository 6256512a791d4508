"""Points in the plane, and bits: small data sets that are made, not measured.

`flower`, `moons`, `circles`, `blobs` and `spirals` draw m points of the plane in classes;
`parity` lists all rows of n bits. The same seed gives the same points.
"""

from math import isfinite, pi

import numpy as np

from .._typing import Array, Rng
from ..exceptions import ArgumentError
from ..validation.numbers import at_least_0, positive_int, real_number
from ._layout import arranged
from .rng import legacy_rng, random_state


def flower(m: int = 400, *, rows: bool = False, rng: Rng = 1) -> tuple[Array, Array]:
    """Draw the petals of a flower, which no line tells apart.

    r = 4 sin 4θ + 0.2 ε,  x = (r sin θ, r cos θ), where θ runs over 0…3.12 for class 0 and
    over 3.12…6.24 for class 1, plus 0.2 ε; every ε ~ N(0, 1). ``flower()`` is the data set
    of the third week of "Neural Networks and Deep Learning" (A. Ng, deeplearning.ai, 2017),
    number for number.

    Parameters
    ----------
    m : int
        Points in all, an even number: half are class 0, half are class 1.
    rows : bool
        Examples as rows: X (m, 2) and y (m,).
    rng : int, numpy.random.RandomState, numpy.random.Generator or None
        A seed of NumPy's legacy generator, a generator, or None for NumPy's global state,
        which ``np.random.seed`` seeds.

    Returns
    -------
    X : NumPy array, shape (2, m), float64
    Y : NumPy array, shape (1, m), int64

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If ``m`` is no even number of at least 2.

    Examples
    --------
    >>> from xpnn.data import flower
    >>> X, Y = flower()
    >>> X.shape, Y.shape
    ((2, 400), (1, 400))
    >>> X[:, :2].round(4)
    array([[ 1.2044,  0.1587],
           [ 3.5761, -1.4822]])
    """
    n = _points_of_class(m, 2)
    rng = legacy_rng(rng)
    petals = []
    for start in (0.0, 3.12):  # the order of the draws is that of the course
        theta = np.linspace(start, start + 3.12, n) + rng.standard_normal(n) * 0.2
        r = 4.0 * np.sin(4.0 * theta) + rng.standard_normal(n) * 0.2
        petals.append(np.stack([r * np.sin(theta), r * np.cos(theta)], axis=1))
    return arranged(np.concatenate(petals), np.repeat(np.arange(2), n), rows)


def moons(
    m: int = 300, noise: float = 0.2, *, rows: bool = False, rng: Rng = 1
) -> tuple[Array, Array]:
    """Draw two half circles that reach into each other.

    What scikit-learn's ``make_moons`` draws from the same seed.

    Parameters
    ----------
    m : int
        Points in all, in random order; an odd one is of class 1.
    noise : float
        Standard deviation of the normal noise on each coordinate; the radii are 1.
    rows, rng
        As `flower` takes them.

    Returns
    -------
    X : NumPy array, shape (2, m), float64
    Y : NumPy array, shape (1, m), int64
        0 for the upper half circle, 1 for the lower.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If ``m`` is no positive integer or ``noise`` is no number of at least 0.

    Examples
    --------
    >>> from xpnn.data import moons
    >>> X, Y = moons(noise=0.0)
    >>> X.shape, float(X.max())
    ((2, 300), 2.0)
    """
    from sklearn.datasets import make_moons

    m, noise = positive_int("m", m), at_least_0("noise", noise)
    X, y = make_moons(m, noise=noise, random_state=random_state(rng))
    return arranged(X, y, rows)


def circles(
    m: int = 300, noise: float = 0.05, factor: float = 0.8, *, rows: bool = False, rng: Rng = 1
) -> tuple[Array, Array]:
    """Draw a circle within a circle.

    What scikit-learn's ``make_circles`` draws from the same seed.

    Parameters
    ----------
    m : int
        Points in all, in random order; an odd one is of class 1.
    noise : float
        Standard deviation of the normal noise on each coordinate.
    factor : float
        Radius of the inner circle, 0 ≤ factor < 1; that of the outer is 1.
    rows, rng
        As `flower` takes them.

    Returns
    -------
    X : NumPy array, shape (2, m), float64
    Y : NumPy array, shape (1, m), int64
        0 for the outer circle, 1 for the inner.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If an argument is out of its range.

    Examples
    --------
    >>> from xpnn.data import circles
    >>> X, Y = circles(noise=0.0, factor=0.5)
    >>> radii = (X**2).sum(axis=0) ** 0.5
    >>> float(radii[Y[0] == 0].mean()), float(radii[Y[0] == 1].mean())
    (1.0, 0.5)
    """
    from sklearn.datasets import make_circles

    m, noise = positive_int("m", m), at_least_0("noise", noise)
    factor = real_number("factor", factor, "a number, 0 ≤ factor < 1")
    if not 0.0 <= factor < 1.0:
        raise ArgumentError(f"factor: expected 0 ≤ factor < 1, found {factor!r}.")
    X, y = make_circles(m, noise=noise, factor=factor, random_state=random_state(rng))
    return arranged(X, y, rows)


def blobs(
    m: int = 300, classes: int = 3, noise: float = 1.0, *, rows: bool = False, rng: Rng = 1
) -> tuple[Array, Array]:
    """Draw round clouds of points, one a class.

    What scikit-learn's ``make_blobs`` draws from the same seed, ``classes`` being its
    ``centers`` and ``noise`` its ``cluster_std``. Each centre is drawn from the square of
    −10 to 10.

    Parameters
    ----------
    m : int
        Points in all, in random order; classes differ by at most one point.
    classes : int
    noise : float
        Standard deviation of a cloud along each coordinate.
    rows, rng
        As `flower` takes them.

    Returns
    -------
    X : NumPy array, shape (2, m), float64
    Y : NumPy array, shape (1, m), int64
        0 to classes − 1.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn.data import blobs
    >>> X, Y = blobs()
    >>> X.shape, np.bincount(Y[0])
    ((2, 300), array([100, 100, 100]))
    """
    from sklearn.datasets import make_blobs

    m, classes = positive_int("m", m), positive_int("classes", classes)
    noise = at_least_0("noise", noise)
    X, y = make_blobs(m, centers=classes, cluster_std=noise, random_state=random_state(rng))
    return arranged(X, y, rows)


def spirals(
    m: int = 300,
    classes: int = 2,
    noise: float = 0.03,
    turns: float = 1.5,
    *,
    rows: bool = False,
    rng: Rng = 1,
) -> tuple[Array, Array]:
    """Draw the arms of a spiral, one a class, from the centre out to radius 1.

    x = r (cos φ, sin φ) + noise ε,  φ = 2π (k / classes + turns · r), where class k has
    r = 1/n, 2/n, …, 1 for its n = m / classes points and ε ~ N(0, I). Two arms are the
    classical test of K. J. Lang and M. J. Witbrock, "Learning to Tell Two Spirals Apart",
    Proceedings of the 1988 Connectionist Models Summer School.

    Parameters
    ----------
    m : int
        Points in all, a multiple of ``classes``; class 0 comes first, each from the centre.
    classes : int
        Arms.
    noise : float
        Standard deviation of the normal noise on each coordinate.
    turns : float
        How often an arm goes round the centre; neighbouring arms are 1/(classes · turns)
        apart.
    rows, rng
        As `flower` takes them.

    Returns
    -------
    X : NumPy array, shape (2, m), float64
    Y : NumPy array, shape (1, m), int64
        0 to classes − 1.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If an argument is out of its range.

    Examples
    --------
    >>> from xpnn.data import spirals
    >>> X, Y = spirals(6, classes=3, noise=0.0, turns=1.0)
    >>> ((X**2).sum(axis=0) ** 0.5).round(2)  # two points an arm, at 1/2 and 1
    array([0.5, 1. , 0.5, 1. , 0.5, 1. ])
    >>> Y
    array([[0, 0, 1, 1, 2, 2]])
    """
    classes = positive_int("classes", classes)
    n = _points_of_class(m, classes)
    noise = at_least_0("noise", noise)
    if not isfinite(real_number("turns", turns, "a finite number")):
        raise ArgumentError(f"turns: expected a finite number, found {turns!r}.")
    y = np.repeat(np.arange(classes), n)
    r = np.tile(np.arange(1, n + 1) / n, classes)
    phi = 2.0 * pi * (y / classes + turns * r)
    X = np.stack([r * np.cos(phi), r * np.sin(phi)], axis=1)
    return arranged(X + noise * legacy_rng(rng).standard_normal(X.shape), y, rows)


def parity(n: int, *, rows: bool = False) -> tuple[Array, Array]:
    """Return all 2ⁿ rows of n bits, and the exclusive or of each.

    y = x₁ ⊕ x₂ ⊕ … ⊕ xₙ, which no network without a hidden layer can learn from n = 2 on
    (M. Minsky and S. Papert, "Perceptrons", MIT Press, 1969).

    Parameters
    ----------
    n : int
        1 to 20.
    rows : bool
        Examples as rows: X (2ⁿ, n) and y (2ⁿ,).

    Returns
    -------
    X : NumPy array, shape (n, 2ⁿ), float64
        0 and 1. Example i is the number i in binary, the highest bit first.
    Y : NumPy array, shape (1, 2ⁿ), int64
        1 where the count of ones is odd, else 0.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If ``n`` is no integer from 1 to 20.

    Examples
    --------
    >>> from xpnn.data import parity
    >>> X, Y = parity(2)
    >>> X
    array([[0., 0., 1., 1.],
           [0., 1., 0., 1.]])
    >>> Y
    array([[0, 1, 1, 0]])
    """
    n = positive_int("n", n)
    if n > 20:
        raise ArgumentError(f"n: expected 1 to 20, as there are 2ⁿ examples, found {n}.")
    bits = np.arange(2**n)[:, None] >> np.arange(n)[::-1] & 1
    return arranged(bits.astype(np.float64), bits.sum(axis=1) % 2, rows)


def _points_of_class(m: int, classes: int) -> int:
    m = positive_int("m", m)
    if m % classes:
        raise ArgumentError(
            f"m: expected a multiple of {classes}, so that the {classes} classes are of one size, "
            f"found {m}."
        )
    return m // classes
