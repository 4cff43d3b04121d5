"""Host: what lmms-eval is told and asked: plugin, tasks, and the one way to start it."""
