"""Avatar files: read, write, validate. NumPy only; the Blender add-on imports it too."""
