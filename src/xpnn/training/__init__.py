"""Training: the step, the loop over mini-batches, what it reports, and the gradient check."""
