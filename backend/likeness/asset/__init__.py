"""Avatar files: read, write, validate. NumPy only; the Blender add-on imports it too."""

from .animation import Animation
from .read import read_layered_avatar
from .validation import validate
from .write import write_layered_avatar

__all__ = ["Animation", "read_layered_avatar", "validate", "write_layered_avatar"]
