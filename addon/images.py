"""Image data-blocks: an avatar's textures, and the small image of weights that a decoder reads."""

from __future__ import annotations

import bpy
import numpy as np
import numpy.typing as npt

from ..backend.likeness.runtime.colour import srgb_to_linear


def texture_image(name: str, png: bytes, *, encoded: bool) -> bpy.types.Image:
    """A texture, packed into the .blend file.

    Parameters
    ----------
    name : str
    png : bytes
        8-bit RGBA PNG with straight alpha.
    encoded : bool
        Whether its colours are sRGB-encoded; if not they are numbers to be left alone.
    """
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=png, data_len=len(png))
    image.source = "FILE"
    # Channels are independent: colour must not be multiplied by alpha before it is interpolated.
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = "sRGB" if encoded else "Non-Color"
    return image


def solid_color(image: bpy.types.Image) -> tuple[float, float, float, float]:
    """What stands for a layer in Solid mode: the mean colour (linear light) and alpha of its bases.

    A layer that is more opaque than not is made solid: faces of one layer that show through others are no help.
    """
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    # Every sixteenth texel is enough for a mean; between charts and tiles there is nothing.
    texels = pixels.reshape(-1, 4)[::16]
    texels = texels[texels[:, 3] > 0]
    if not len(texels):
        return 0.5, 0.5, 0.5, 1.0
    alpha = texels[:, 3:]
    red, green, blue = ((srgb_to_linear(texels[:, :3]) * alpha).sum(0) / alpha.sum()).tolist()
    opacity = float(alpha.mean())
    return red, green, blue, 1.0 if opacity > 0.5 else opacity


def weights_image(name: str, size: tuple[int, int]) -> bpy.types.Image:
    """A float image (width, height) for a decoder's weights, black."""
    image = bpy.data.images.new(name, *size, alpha=True, float_buffer=True, is_data=True)
    image.alpha_mode = "CHANNEL_PACKED"
    image.use_half_precision = False
    return image


def write_weights(image: bpy.types.Image, rows: npt.NDArray[np.float32]) -> None:
    """Put weights into their image.

    Parameters
    ----------
    image : bpy.types.Image
    rows : (height, 3 * width) float32
        One row per neuron, as ``DecoderShape.rows`` gives them.
    """
    width, height = image.size
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = rows.reshape(height, width, 3)
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    # A packed image is never unsaved: Blender does not ask about it on leaving, and the file holds the last weights.
    image.pack()
