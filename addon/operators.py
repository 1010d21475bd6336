"""What a user can ask for: import, reset, key, make a copy independent, set up the scene."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper, poll_file_object_drop

from ..backend.likeness.errors import LikenessError
from .armature import PROPERTY
from .decoder import is_avatar
from .duplicates import make_independent
from .importing import import_file
from .live import sharing
from .posing import key_current, reset_pose
from .scene import is_set_up, set_up


def active_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The avatar that is meant: the active object's, or the only one in the scene."""
    active = context.object
    for thing in (active, active.parent if active else None):
        if is_avatar(thing):
            return thing
    rigs = [thing for thing in context.scene.objects if is_avatar(thing)]
    return rigs[0] if len(rigs) == 1 else None


class IMPORT_SCENE_OT_likeness(bpy.types.Operator, ImportHelper):
    """Import avatars, from the menu or by dropping files."""

    bl_idname = "import_scene.likeness"
    bl_description = "Import avatars that Likeness has made"
    bl_label = "Import Likeness Avatar"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    filename_ext = ".glb"
    filter_glob: bpy.props.StringProperty(default="*.glb", options={"HIDDEN"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    set_up_scene: bpy.props.EnumProperty(
        name="Set Up Scene",
        description="Whether to change render settings so that the avatar shows its own colours and all of its layers",
        items=[
            ("AUTO", "If Empty", "Only if there is nothing else in the scene than cameras and lights"),
            ("ALWAYS", "Always", "Also if the scene has other objects, which will look different"),
            ("NEVER", "Never", "Leave the render settings alone"),
        ],
        default="AUTO",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Bones can only be made when no object is being edited."""
        if context.mode != "OBJECT":
            cls.poll_message_set("Switch to Object Mode to import an avatar")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for files, or, for files that were dropped, only for the options."""
        return self.invoke_popup(context) if self.filepath or self.directory else super().invoke(context, event)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        self.layout.prop(self, "set_up_scene")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import every file; those that are no avatars are reported."""
        names = [entry.name for entry in self.files if entry.name]
        paths = [Path(self.directory, name) for name in names] or [Path(self.filepath)]
        imported = 0
        for path in paths:
            try:
                import_file(
                    context, path, set_up_scene={"AUTO": None, "ALWAYS": True, "NEVER": False}[self.set_up_scene]
                )
            except LikenessError as error:
                self.report({"ERROR"}, str(error))
            else:
                imported += 1
        return {"FINISHED"} if imported else {"CANCELLED"}


class IO_FH_likeness(bpy.types.FileHandler):
    """Lets avatars be dropped into a window."""

    bl_idname = "IO_FH_likeness"
    bl_label = "Likeness Avatar"
    bl_import_operator = IMPORT_SCENE_OT_likeness.bl_idname
    bl_file_extensions = ".glb"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Where other objects may be dropped, too."""
        return poll_file_object_drop(context)


class _AvatarOperator(bpy.types.Operator):
    """Something that is done to the avatar that is meant."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be an avatar."""
        if active_rig(context) is None:
            cls.poll_message_set("Select an avatar's armature or mesh")
            return False
        return True


class LIKENESS_OT_reset_pose(_AvatarOperator):
    """Put the avatar to rest."""

    bl_idname = "likeness.reset_pose"
    bl_description = "Put every slider and joint of the avatar back to rest"
    bl_label = "Reset"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Reset."""
        reset_pose(active_rig(context))
        return {"FINISHED"}


class LIKENESS_OT_key_all(_AvatarOperator):
    """Key the avatar's whole pose."""

    bl_idname = "likeness.key_all"
    bl_description = "Insert a keyframe for every slider and joint of the avatar at the current frame"
    bl_label = "Key All"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Key."""
        key_current(active_rig(context), context.scene.frame_current)
        return {"FINISHED"}


class LIKENESS_OT_make_independent(_AvatarOperator):
    """Give a duplicated avatar a look of its own."""

    bl_idname = "likeness.make_independent"
    bl_description = (
        "Give the avatar materials of its own, so that its look follows its own sliders and joints; "
        "duplicates share the original's until then"
    )
    bl_label = "Make Independent"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be an avatar that shares its look, and that can be changed."""
        rig = active_rig(context)
        if rig is None:
            return super().poll(context)
        if not sharing(rig):
            cls.poll_message_set("No other avatar shares this avatar's look")
            return False
        if any(block.library or block.override_library for block in (rig, rig.data)):
            cls.poll_message_set("The avatar comes from another file; make it local to make it independent")
            return False
        if context.mode not in ("OBJECT", "POSE"):
            cls.poll_message_set("Switch to Object Mode or Pose Mode to make the avatar independent")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make independent."""
        make_independent(context, active_rig(context))
        return {"FINISHED"}


class LIKENESS_OT_set_up_scene(_AvatarOperator):
    """Change the render settings that would spoil the avatar's look."""

    bl_idname = "likeness.set_up_scene"
    bl_description = (
        "Set the Standard view transform, and as many transparent bounces in Cycles as the avatar's layers need"
    )
    bl_label = "Set Up Scene"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be an avatar, and something to set up."""
        rig = active_rig(context)
        if rig is None:
            return super().poll(context)
        if is_set_up(context.scene, rig.data[PROPERTY]["layers"]):
            cls.poll_message_set("The scene is set up")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set up."""
        rig = active_rig(context)
        if rig is not None:
            set_up(context.scene, rig.data[PROPERTY]["layers"])
        return {"FINISHED"}


CLASSES = (
    IMPORT_SCENE_OT_likeness,
    IO_FH_likeness,
    LIKENESS_OT_reset_pose,
    LIKENESS_OT_key_all,
    LIKENESS_OT_make_independent,
    LIKENESS_OT_set_up_scene,
)


def _draw_import(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    menu.layout.operator(IMPORT_SCENE_OT_likeness.bl_idname, text="Likeness Avatar (.glb)")


def register() -> None:
    """Add the operators and the menu entry."""
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.TOPBAR_MT_file_import.append(_draw_import)


def unregister() -> None:
    """Take them out."""
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import)
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
