"""Photometric refinement: the tracked head moved until the pictures' colours agree with it, not landmarks alone."""
