"""Captures: a filmed head with its frames, mattes, camera and tracked parameters."""
