"""Network files for other runtimes: ONNX graphs in pairs, checked against the engine."""
