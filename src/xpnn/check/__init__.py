"""Evidence on the user's own machine: what ``xpnn check`` looks at.

`functions`    exp, log, tanh, … and a matrix product, against Python's own
`training`     first weights, order of the mini-batches, costs and parameters, against NumPy
`keeping`      a file written and read
`placement`    where arrays lie, and what crosses between host and device
`derivatives`  every activation and loss, by central differences, the graph and NumPy

Each yields `Finding`s for one backend; `checked` calls them all.
"""

from .finding import Finding
from .run import Checked, checked

__all__ = ["Checked", "Finding", "checked"]
