"""Render settings: those without which an avatar looks wrong, and those for comparing pictures pixel by pixel.

A scene has settings for Cycles only while Cycles' add-on is enabled.
"""

from __future__ import annotations

import bpy

ENGINES = {"eevee": "BLENDER_EEVEE", "cycles": "CYCLES"}
"""What jobs call the engines, and what Blender does."""

HITS_PER_LAYER = 4
"""Surfaces of one layer that a ray may cross: in and out of the head, and of a nose or an ear before it."""


def transparent_bounces(layer_count: int) -> int:
    """How many surfaces Cycles has to look through."""
    return HITS_PER_LAYER * layer_count


def is_empty(scene: bpy.types.Scene) -> bool:
    """Whether a scene holds nothing but cameras and lights."""
    return all(thing.type in ("CAMERA", "LIGHT") for thing in scene.objects)


def is_set_up(scene: bpy.types.Scene, layer_count: int) -> bool:
    """Whether a scene shows an avatar's own colours, through all of its layers."""
    view, bounces = scene.view_settings, transparent_bounces(layer_count)
    cycles = getattr(scene, "cycles", None)
    return (
        view.view_transform == "Standard"
        and view.look == "None"
        and (view.exposure, view.gamma) == (0.0, 1.0)
        and (cycles is None or min(cycles.transparent_max_bounces, cycles.min_transparent_bounces) >= bounces)
    )


def set_up(scene: bpy.types.Scene, layer_count: int) -> None:
    """Make a scene show an avatar as it was captured.

    Standard view, because the textures hold colours as a display shows them and any other view grades them anew; and
    enough transparent bounces, because Cycles otherwise ends at inner layers, at random.

    Parameters
    ----------
    scene : bpy.types.Scene
    layer_count : int
    """
    view, cycles = scene.view_settings, getattr(scene, "cycles", None)
    scene.display_settings.display_device = "sRGB"
    view.view_transform, view.look = "Standard", "None"
    view.exposure, view.gamma = 0.0, 1.0
    if cycles is not None:
        bounces = transparent_bounces(layer_count)
        cycles.transparent_max_bounces = max(cycles.transparent_max_bounces, bounces)
        cycles.min_transparent_bounces = max(cycles.min_transparent_bounces, bounces)


def sample_pixel_centres(scene: bpy.types.Scene, samples: int = 1) -> None:
    """Let both engines render onto nothing, with one sample in the middle of each pixel as the run-time's reference.

    Parameters
    ----------
    scene : bpy.types.Scene
    samples : int
        More than one are spread over the pixel, for pictures that are to be looked at rather than compared.
    """
    render, cycles = scene.render, getattr(scene, "cycles", None)
    render.film_transparent = True
    render.dither_intensity = 0.0
    render.use_motion_blur = False
    render.use_compositing = render.use_sequencer = False
    scene.eevee.taa_render_samples = samples
    render.filter_size = 0.0 if samples == 1 else 1.5
    if cycles is not None:
        cycles.samples = samples
        cycles.use_adaptive_sampling = cycles.use_denoising = False
        # Cycles' box is as wide as a pixel whatever its width says; a narrow Gaussian is a point.
        cycles.pixel_filter_type = "GAUSSIAN" if samples == 1 else "BLACKMAN_HARRIS"
        cycles.filter_width = 0.01 if samples == 1 else 1.5
