"""Proof on the user's own machine: what ``xpnn check`` looks at.

`derivatives`  every activation and cost, by central differences and by the graph
`training`     matrix products, first weights, order of the mini-batches, costs, parameters
`keeping`      a file written and read
`placement`    where arrays lie, and what crosses between host and device

Each yields `Finding`s for one backend; `checked` calls them all.
"""

from .finding import Finding
from .run import checked

__all__ = ["Finding", "checked"]
