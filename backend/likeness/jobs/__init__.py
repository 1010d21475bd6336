"""Job folders: long work that survives being killed, tells how far it is, and can be paused and stopped from outside.

NumPy and the standard library only, so that looking at a job is quick. The work itself, for example
:mod:`likeness.layered.training`, says what a checkpoint holds.
"""
