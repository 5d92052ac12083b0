"""Networks with exits, run stage by stage in other runtimes: stages as ONNX files, and the time to each exit."""
