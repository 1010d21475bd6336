"""Decoder weights that follow the timeline and the sliders.

Blender's drivers deform the mesh by themselves; only the decoder's global network needs Python. It is evaluated when
a frame changes, for a render as for the viewport, and when anything in the scene has changed that may have moved a rig.

A rig that was duplicated shares its weights with the original, as it shares materials, until it is made independent.
Those weights follow one of the two: if both wrote them in turns, they would never come to rest, for in Cycles each
writing is a change that calls for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import bpy
from bpy.app.handlers import persistent

from .armature import PROPERTY
from .decoder import NEURON_GROUPS, WEIGHTS_IMAGES, is_avatar, load_decoder
from .images import weights_image, write_weights
from .posing import evaluated_pose

_written: dict[int, bytes] = {}
"""Conditions that the weights in an image stand for, by the image's session number."""


def refresh(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Bring the weights of every avatar in a dependency graph up to date.

    Parameters
    ----------
    scene : bpy.types.Scene
        Its render engine decides how.
    depsgraph : bpy.types.Depsgraph
        Evaluated; of the viewport or of a render.
    """
    for rig in _followed(depsgraph):
        evaluated = rig.evaluated_get(depsgraph)
        if not evaluated.is_evaluated:
            continue
        conditions = evaluated_pose(evaluated).decoder_input
        image = shown_image(rig.data)
        if image is None or _written.get(image.session_uid) == conditions.tobytes():
            continue
        if scene.render.engine == "CYCLES":
            image = _swap_images(rig.data, image)
        decoder, shape = load_decoder(rig.data)
        write_weights(image, shape.rows(decoder, conditions))
        _written[image.session_uid] = conditions.tobytes()


def shown_image(armature: bpy.types.Armature) -> bpy.types.Image | None:
    """The weights image that an avatar's materials read now; None if the user has deleted them."""
    return next((node.image for node in _lookups(armature)), None)


def weights_images(armature: bpy.types.Armature, shown: bpy.types.Image) -> list[bpy.types.Image]:
    """The two images that an avatar's weights are written to in turns; new ones for those that the user has deleted.

    Parameters
    ----------
    armature : bpy.types.Armature
    shown : bpy.types.Image
        The one that :func:`shown_image` gives.
    """
    stored = armature[PROPERTY]
    for name in WEIGHTS_IMAGES:
        if stored.get(name) is None:
            stored[name] = weights_image(shown.name, tuple(shown.size))
    return [stored[name] for name in WEIGHTS_IMAGES]


def sharing(rig: bpy.types.Object) -> list[bpy.types.Object]:
    """The other rigs whose look is this rig's, because one is a duplicate of the other."""
    image = shown_image(rig.data)
    if image is None:
        return []
    return [other for other in _rigs() if other != rig and shown_image(other.data) == image]


def _followed(depsgraph: bpy.types.Depsgraph) -> Iterator[bpy.types.Object]:
    """Rigs that weights follow: of those that share theirs, the first that is shown.

    The first is by name, and Blender names copies so that they come after what they were copied from.
    """
    groups: dict[int, list[bpy.types.Object]] = {}
    for rig in _rigs():
        image = shown_image(rig.data)
        if image is not None:
            groups.setdefault(image.session_uid, []).append(rig)
    for group in groups.values():
        yield group[0] if len(group) == 1 else next((rig for rig in group if _is_shown(rig, depsgraph)), group[0])


def _is_shown(rig: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bool:
    """Whether a render has a rig; in viewports whether any has it, so that windows with two scenes do not disagree."""
    if depsgraph.mode == "RENDER":
        graphs = [depsgraph]
    else:
        graphs = [layer.depsgraph for scene in bpy.data.scenes for layer in scene.view_layers]
    return any(graph is not None and rig.evaluated_get(graph).is_evaluated for graph in graphs)


def _rigs() -> Iterator[bpy.types.Object]:
    if any(PROPERTY in armature for armature in bpy.data.armatures):
        yield from (thing for thing in bpy.data.objects if is_avatar(thing))


def _lookups(armature: bpy.types.Armature) -> Iterator[bpy.types.ShaderNodeTexImage]:
    for group in NEURON_GROUPS:
        tree = armature[PROPERTY].get(group)
        if tree is not None:
            yield from (node for node in tree.nodes if node.type == "TEX_IMAGE")


def _swap_images(armature: bpy.types.Armature, shown: bpy.types.Image) -> bpy.types.Image:
    """Let the nodes read the other image: Cycles, once it holds a picture, does not notice that its pixels change."""
    first, second = weights_images(armature, shown)
    other = second if shown == first else first
    for node in _lookups(armature):
        node.image = other
    return other


@persistent
def _follow(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    refresh(scene, depsgraph)


@persistent
def _start_over(*_arguments: object) -> None:
    """After a file was read or an edit undone, what the images hold is anyone's guess."""
    _written.clear()
    refresh(bpy.context.scene, bpy.context.evaluated_depsgraph_get())


def _handlers() -> tuple[tuple[list, Callable], ...]:
    handlers = bpy.app.handlers
    return (
        (handlers.frame_change_post, _follow),
        (handlers.depsgraph_update_post, _follow),
        (handlers.load_post, _start_over),
        (handlers.undo_post, _start_over),
        (handlers.redo_post, _start_over),
    )


def register() -> None:
    """Add the handlers."""
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    """Take the handlers out."""
    for handlers, function in _handlers():
        # Another add-on may have emptied a list.
        if function in handlers:
            handlers.remove(function)
    _written.clear()
