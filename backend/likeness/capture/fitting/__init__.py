"""Fitting a head model to the landmarks of a clip: who it is, how it is turned, what it does, frame by frame."""
