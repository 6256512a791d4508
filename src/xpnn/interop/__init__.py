"""Models of other libraries and for them: scikit-learn, PyTorch, ONNX."""
