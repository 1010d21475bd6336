"""The backend as seen from inside the Blender extension; imports nothing, so that the add-on starts at once."""
