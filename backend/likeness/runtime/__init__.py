"""The run-time, defined in NumPy: deform, decode, composite. Everything else is held to it by images."""
