"""The notes' own functions, under the names and with the signatures that they use.

`basics`      sigmoid, softmax, explicit loops beside their vectorised twins
`logistic`    logistic regression as a network without a hidden layer
`shallow`     one hidden tanh layer
`deep`        L layers, relu inside and sigmoid at the end
`improving`   L2, mini-batches, momentum, Adam, gradient check

Every function calls the core; a notebook that defines them itself runs on another library
when it imports them from here instead. Where they run:

- Arrays stay in the library, on the device and in the dtype in which they arrive. Host data
  (lists, NumPy arrays) join arrays of a device in the same call; arrays of two devices are
  an error. Integers and booleans become floats where they are computed with.
- New parameters are made on the backend of X, if that is no host array, else on the
  selected one (`xpnn.set_backend`), in the dtype of X or else in float64, the notes'.
- ``rng`` is an int, which seeds NumPy's RandomState as ``np.random.seed`` does, a NumPy
  Generator or RandomState; None is NumPy's global state, for notebooks that seed that.
"""

from . import basics, deep, improving, logistic, shallow

__all__ = ["basics", "deep", "improving", "logistic", "shallow"]
