"""The folder that `evaluate.load` takes: a metric in a file of the folder's name."""
