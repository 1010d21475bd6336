"""The avatar's panel: drawn once, shown in the 3D view's sidebar and among the armature's properties."""

from __future__ import annotations

import bpy

from .armature import PROPERTY
from .decoder import is_avatar
from .handles import FACE
from .live import sharing
from .nearest import NEAREST_ONLY
from .operators import (
    IMPORT_SCENE_OT_likeness,
    LIKENESS_OT_key_all,
    LIKENESS_OT_make_independent,
    LIKENESS_OT_reset_pose,
    LIKENESS_OT_set_up_scene,
    active_rig,
)
from .posing import expression_names
from .regions import by_region, label_of
from .scene import is_set_up


def draw_avatar(layout: bpy.types.UILayout, context: bpy.types.Context, rig: bpy.types.Object) -> None:
    """Everything about one avatar.

    Parameters
    ----------
    layout : bpy.types.UILayout
    context : bpy.types.Context
    rig : bpy.types.Object
    """
    stored = rig.data[PROPERTY]
    if not is_set_up(context.scene, stored["layers"]):
        box = layout.box()
        box.label(text="Colors will differ from the avatar's", icon="ERROR")
        box.operator(LIKENESS_OT_set_up_scene.bl_idname)
    others = sharing(rig)
    if others:
        box = layout.box()
        box.label(text=f"Shares its look with {others[0].name}", icon="LINKED")
        box.operator(LIKENESS_OT_make_independent.bl_idname)
    row = layout.row(align=True)
    row.operator(LIKENESS_OT_reset_pose.bl_idname, icon="LOOP_BACK")
    row.operator(LIKENESS_OT_key_all.bl_idname, icon="KEY_HLT")
    for region, names in by_region(expression_names(rig)).items():
        header, body = layout.panel(f"LIKENESS_{region}", default_closed=region not in ("Brows", "Eyes", "Mouth"))
        header.label(text=region)
        if body is not None:
            column = body.column(align=True)
            for name in names:
                path = f'["{bpy.utils.escape_identifier(name)}"]'
                column.prop(rig.pose.bones[FACE], path, text=label_of(name), slider=True)
    header, body = layout.panel("LIKENESS_avatar", default_closed=True)
    header.label(text="Avatar")
    if body is not None:
        _draw_facts(body, rig)


def _draw_facts(layout: bpy.types.UILayout, rig: bpy.types.Object) -> None:
    stored = rig.data[PROPERTY]
    shape = stored["shape"]
    column = layout.column(align=True)
    for name, value in (
        ("Head Model", stored["head"]),
        ("Expressions", len(expression_names(rig))),
        ("Layers", stored["layers"]),
        ("Textures", f"{shape['basis_count']} x {shape['tile_size']} px"),
    ):
        split = column.split(factor=0.45)
        split.label(text=name)
        split.label(text=str(value))
    for mesh in rig.children:
        if NEAREST_ONLY in mesh:
            layout.prop(mesh, f'["{NEAREST_ONLY}"]', text="Nearest Surface Only (Cycles)")


class LIKENESS_PT_sidebar(bpy.types.Panel):
    """The avatar in the 3D view's sidebar."""

    bl_idname = "LIKENESS_PT_sidebar"
    bl_label = "Likeness"
    bl_category = "Likeness"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the avatar that is meant, or how to get one."""
        rig = active_rig(context)
        if rig is None:
            self.layout.label(text="Select an avatar, or import one")
            self.layout.operator(IMPORT_SCENE_OT_likeness.bl_idname, text="Import Avatar", icon="IMPORT")
        else:
            self.layout.label(text=rig.name, icon="ARMATURE_DATA")
            draw_avatar(self.layout, context, rig)


def rig_of_armature(context: bpy.types.Context) -> bpy.types.Object | None:
    """The avatar whose armature's properties are shown; where they are pinned, it need not be the active object."""
    candidates = (context.object, *context.scene.objects)
    return next((thing for thing in candidates if is_avatar(thing) and thing.data == context.armature), None)


class LIKENESS_PT_armature(bpy.types.Panel):
    """The avatar among its armature's properties."""

    bl_idname = "LIKENESS_PT_armature"
    bl_label = "Likeness"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "data"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for the armatures of avatars."""
        return isinstance(context.armature, bpy.types.Armature) and PROPERTY in context.armature

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the avatar, or why there is none."""
        rig = rig_of_armature(context)
        if rig is None:
            self.layout.label(text="No object of the scene uses this armature", icon="INFO")
        else:
            # Buttons must mean the avatar that is drawn, whatever is active.
            self.layout.context_pointer_set("object", rig)
            draw_avatar(self.layout, context, rig)


CLASSES = (LIKENESS_PT_sidebar, LIKENESS_PT_armature)


def register() -> None:
    """Add the panels."""
    for kind in CLASSES:
        bpy.utils.register_class(kind)


def unregister() -> None:
    """Take them out."""
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
