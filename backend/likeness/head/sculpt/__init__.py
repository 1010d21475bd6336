"""The stand-in head's making: anatomy as numbers, a skin sheet laid over it, and everything that makes it move.

Nothing here is measured from, or fitted to, anybody's mesh. Lengths in this package are centimetres, because anatomy
books print them; :mod:`.assemble` turns them into the head model's metres. Axes are the head model's: +Y up, +Z out of
the face, +X to the subject's left. What is symmetric is made for x >= 0 and mirrored.
"""
