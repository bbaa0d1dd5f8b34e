"""The writer: a signature of a SavedModel → what TensorFlow.js reads. Every pass is a function of a graph."""
