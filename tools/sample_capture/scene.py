"""The set: head, shirt, hair, lights and camera as Blender objects. Runs under bpy.

Everything is staged with Y up, as the head model has it; one matrix stands it up in Blender's Z-up world.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import materials
import numpy as np
import numpy.typing as npt
from mathutils import Matrix, Vector

Array = npt.NDArray[np.float32]

UPRIGHT = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
"""From Y up to Z up."""

_SHIRT = (0.022, 0.035, 0.085)
_SENSOR_WIDTH = 36.0

# Place, size in metres, watts, colour. The key comes from the subject's left.
_LIGHTS = {
    "key": ((0.75, 0.55, 1.0), 0.6, 20.0, (1.0, 0.93, 0.85)),
    "fill": ((-1.0, 0.1, 0.9), 1.0, 8.0, (0.86, 0.93, 1.0)),
    # Small, near the camera: what is mirrored in wet eyes.
    "catch": ((0.22, 0.32, 1.1), 0.1, 1.5, (1.0, 0.98, 0.95)),
    "rim left": ((0.55, 0.6, -0.75), 0.4, 7.0, (1.0, 0.97, 0.92)),
    "rim right": ((-0.6, 0.7, -0.7), 0.4, 8.0, (0.92, 0.96, 1.0)),
}
_AMBIENT = (0.16, 0.175, 0.2)


@dataclass(frozen=True)
class Cast:
    """The objects that move."""

    head: bpy.types.Object
    shirt: bpy.types.Object
    scalp: bpy.types.Object
    brows: bpy.types.Object
    lashes: bpy.types.Object


def build(stage: dict[str, npt.NDArray], samples: int) -> Cast:
    """Make the scene from the arrays that ``make.py`` writes; see its function ``stage``."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    _settings(stage, samples)
    _camera(stage)
    _lights()
    slots = [materials.skin(tuple(stage["nostril"].tolist())), materials.eyes(float(stage["iris_rim"]))]
    head = _mesh("head", stage["head_rest"], stage["head_faces"], slots)
    mesh = head.data
    mesh.polygons.foreach_set("material_index", stage["head_materials"].astype(np.int32))
    _point_attribute(mesh, "base_colour", "FLOAT_COLOR", "color", stage["head_colours"])
    _point_attribute(mesh, "roughness", "FLOAT", "value", stage["head_roughness"])
    _point_attribute(mesh, "eye_direction", "FLOAT_VECTOR", "vector", stage["eye_direction"])
    shirt = _mesh("shirt", stage["shirt_rest"], stage["shirt_faces"], [materials.cloth(_SHIRT)])
    _point_attribute(shirt.data, "collar", "FLOAT", "value", stage["shirt_collar"])
    brown = materials.hair("hair", 0.79, 0.5)
    light = materials.hair("light hair", 0.76, 0.5)
    dark = materials.hair("dark hair", 0.86, 0.5)
    scalp, brows, lashes = stage["scalp_strands"], stage["brow_strands"][0], stage["lash_strands"][0]
    return Cast(
        head,
        shirt,
        _strands("scalp", scalp.shape[:2], 0.00034, brown),
        _strands("brows", brows.shape[:2], 0.0001, light),
        _strands("lashes", lashes.shape[:2], 0.00014, dark),
    )


def pose(cast: Cast, stage: dict[str, npt.NDArray], frame: int) -> None:
    """Put everything where it is in one frame."""
    _move(cast.head, stage["head_vertices"][frame])
    _move(cast.shirt, stage["shirt_vertices"][frame])
    transform = stage["neck_transforms"][frame]
    moved = stage["scalp_strands"] @ transform[:, :3].T + transform[:, 3]
    for strands, places in ((cast.scalp, moved), (cast.brows, stage["brow_strands"][frame])):
        _move_strands(strands, places)
    _move_strands(cast.lashes, stage["lash_strands"][frame])


def _settings(stage: dict[str, npt.NDArray], samples: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = (int(value) for value in stage["size"])
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = True
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "32"
    scene.view_settings.view_transform = "Standard"
    cycles = scene.cycles
    cycles.samples = samples
    cycles.use_adaptive_sampling, cycles.adaptive_threshold, cycles.adaptive_min_samples = True, 0.02, 12
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.transparent_max_bounces = 4, 8
    cycles.sample_clamp_indirect = 4.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.cycles_curves.shape = "RIBBONS"


def _camera(stage: dict[str, npt.NDArray]) -> None:
    scene = bpy.context.scene
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.sensor_width = _SENSOR_WIDTH
    # The principal point is the picture's centre, as Blender has it without a shift.
    camera.data.lens = float(stage["intrinsics"][0]) * _SENSOR_WIDTH / int(stage["size"][0])
    camera.data.clip_start = 0.05
    camera.matrix_world = UPRIGHT @ Matrix(stage["camera_to_world"].tolist())
    scene.collection.objects.link(camera)
    scene.camera = camera


def _lights() -> None:
    scene = bpy.context.scene
    target = Vector((0.0, 0.01, 0.04))
    for name, (place, size, watts, colour) in _LIGHTS.items():
        light = bpy.data.lights.new(name, "AREA")
        light.size, light.energy, light.color = size, watts, colour
        lamp = bpy.data.objects.new(name, light)
        aim = (target - Vector(place)).to_track_quat("-Z", "Y").to_matrix().to_4x4()
        lamp.matrix_world = UPRIGHT @ Matrix.Translation(place) @ aim
        scene.collection.objects.link(lamp)
    world = bpy.data.worlds.new("ambient")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (*_AMBIENT, 1.0)
    scene.world = world


def _mesh(name: str, rest: Array, faces: npt.NDArray[np.int32], slots: list[bpy.types.Material]) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(rest.tolist(), [], faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    _point_attribute(mesh, "rest", "FLOAT_VECTOR", "vector", rest)
    for material in slots:
        mesh.materials.append(material)
    return _placed(name, mesh)


def _strands(name: str, shape: tuple[int, ...], radius: float, material: bpy.types.Material) -> bpy.types.Object:
    count, points = shape
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([points] * count)
    taper = radius * (1 - 0.75 * np.linspace(0, 1, points) ** 2)
    _point_attribute(curves, "radius", "FLOAT", "value", np.tile(taper, count))
    curves.materials.append(material)
    return _placed(name, curves)


def _placed(name: str, data: bpy.types.ID) -> bpy.types.Object:
    thing = bpy.data.objects.new(name, data)
    thing.matrix_world = UPRIGHT
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _point_attribute(data: bpy.types.ID, name: str, kind: str, member: str, values: npt.NDArray) -> None:
    attribute = data.attributes.get(name) or data.attributes.new(name, kind, "POINT")
    attribute.data.foreach_set(member, np.ascontiguousarray(values, np.float32).ravel())


def _move(thing: bpy.types.Object, vertices: Array) -> None:
    thing.data.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    thing.data.update()


def _move_strands(thing: bpy.types.Object, points: Array) -> None:
    _point_attribute(thing.data, "position", "FLOAT_VECTOR", "vector", points)
    thing.data.update_tag()
