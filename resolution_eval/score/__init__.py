"""Score one checkpoint on one set of images by one command: `resolution-eval score`.

| module | noun |
| --- | --- |
| `subject` | what is scored, by its name, checked before anything heavy is imported |
| `material` | what it is scored on: a folder of images, or a task |
| `reach` | the resolutions within reach of the sources, of the training and of the time |
| `pace` | about how long a sweep takes on this machine |
| `session` | the whole: doctor, sweep, control without the image, report, next step |
"""
