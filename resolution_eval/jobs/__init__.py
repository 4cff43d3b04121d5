"""Jobs: many models on many tasks, each pair one run of lmms-eval, resumable, here or on a cluster.

| module | noun |
| --- | --- |
| `sweep_plan` | the YAML file: models, tasks, what lmms-eval is told, where jobs run |
| `job` | one model on one task: its folder, its command, whether it is finished |
| `process` | the child that runs lmms-eval under its job's lock |
| `estimate` | what a job will take of a server |
| `strategy_plan` | a matrix's plan: models that carry a strategy, and its records by strategy |
| `matrix_output` | the train x inference matrix: its command, and the files that it leaves |
| `execution` | running a plan, here, on Slurm or on Ray; what failed is tried once more |
"""
