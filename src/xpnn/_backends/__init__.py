"""Backends: choosing an array library and a device, and what the standard leaves out.

`base`        what a backend is, and what all of them share
`selection`   choose one for the process, for a block of code, or by the arrays at hand
`registry`    the backends by name, and the class that an array belongs to
`status`      which ones work here, and why others do not
`audit`       what goes between host and device
`host`        data of any library on the host

A module for each library follows. This is the only place that names CuPy, PyTorch or JAX, and none
of them is imported before it is asked for.
"""
