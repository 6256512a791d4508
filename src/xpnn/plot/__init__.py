"""Pictures of what a network has learnt, drawn with matplotlib.

`cost_curve`            the cost over the training
`decision_boundary`     the regions into which a network of two inputs divides the plane
`decision_boundaries`   the same for several networks, side by side
`confusion_matrix`      how often each class is taken for each other
`misclassified`         the pictures that are predicted wrong
`weights`               the weights of each unit, laid out like the pictures they look at

Arrays may come from any library. What draws one plot takes ``ax``, the Axes to draw in, and
returns it; without ``ax`` it makes a figure. What draws many returns the figure. Figures are
made by pyplot: a notebook shows them, ``pyplot.show()`` does elsewhere, and they stay open until
``pyplot.close()``. matplotlib is loaded when the first plot is drawn; install it with
``pip install 'xpnn[plot]'``.
"""

from ._classes import confusion_matrix, misclassified
from ._cost import cost_curve
from ._regions import decision_boundaries, decision_boundary
from ._weights import weights

__all__ = [
    "cost_curve",
    "decision_boundary",
    "decision_boundaries",
    "confusion_matrix",
    "misclassified",
    "weights",
]
