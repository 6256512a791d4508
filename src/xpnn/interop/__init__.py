"""Models of other libraries and for them, weights exact.

`sklearn`   fitted estimators to and from scikit-learn's of the same name
`torch`     networks to and from modules of PyTorch
`onnx`      networks to ONNX
"""
