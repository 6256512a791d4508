"""The equations, written once against the Python Array API standard.

Nothing here imports an array library: every function receives the namespace
``xp`` that its arrays belong to. One example is one column, as in the notes:
``X`` has shape (n_x, m). Read the modules in this order:

``activations``    g and g′
``losses``         the loss of one example, and how backward propagation starts
``parameters``     W[l], b[l], the vector θ they are windows of, their first values
``propagation``    forward, cost, backward
``optimizers``     how θ follows the gradient
``schedules``      how the learning rate changes with the epoch

Functions here trust their arguments; ``xpnn.Network`` and ``xpnn.fit`` check them.
"""
