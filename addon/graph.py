"""A few words to build shader node trees with: operations take sockets or constants and give sockets.

Nodes are laid out in columns by their distance from the inputs, so that whoever opens a tree can follow it.
"""

from __future__ import annotations

from typing import Any

import bpy

Value = Any
"""A node socket, a float, or a tuple of floats."""

COLUMN_WIDTH, ROW_HEIGHT = 190.0, 150.0


class Graph:
    """Builds one node tree.

    Parameters
    ----------
    tree : bpy.types.NodeTree
        Its nodes are removed first.
    """

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree
        tree.nodes.clear()
        self._columns: dict[bpy.types.Node, int] = {}
        self._filled: dict[int, int] = {}

    @classmethod
    def group(cls, name: str, inputs: dict[str, str], outputs: dict[str, str]) -> Graph:
        """A new node group with the given sockets, name to kind: ``Float``, ``Vector``, ``Color`` or ``Shader``."""
        tree = bpy.data.node_groups.new(name, "ShaderNodeTree")
        for direction, sockets in (("INPUT", inputs), ("OUTPUT", outputs)):
            for socket, kind in sockets.items():
                tree.interface.new_socket(socket, in_out=direction, socket_type=f"NodeSocket{kind}")
        return cls(tree)

    def inputs(self) -> dict[str, bpy.types.NodeSocket]:
        """The sockets that come into the group, by name."""
        node = self.node("NodeGroupInput", {})
        return {socket.name: socket for socket in node.outputs if socket.name}

    def outputs(self, **values: Value) -> None:
        """Connect what leaves the group. Underscores in a name stand for spaces."""
        self.node("NodeGroupOutput", {name.replace("_", " "): value for name, value in values.items()})

    def node(self, kind: str, inputs: dict[str | int, Value], **settings: Any) -> bpy.types.Node:
        """A node of any kind.

        Parameters
        ----------
        kind : str
            Blender's ``bl_idname``.
        inputs : dict
            Socket name or index to value.
        **settings
            Properties of the node, set before its inputs because some decide which sockets there are.
        """
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        column = 0
        for key, value in inputs.items():
            socket = node.inputs[key]
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
                column = max(column, self._columns[value.node] + 1)
            else:
                socket.default_value = value
        self._columns[node] = column
        row = self._filled.get(column, 0)
        self._filled[column] = row + 1
        node.location = (column * COLUMN_WIDTH, -row * ROW_HEIGHT)
        node.hide = kind in ("ShaderNodeMath", "ShaderNodeVectorMath", "ShaderNodeCombineXYZ", "ShaderNodeSeparateXYZ")
        return node

    def math(self, operation: str, *values: Value) -> bpy.types.NodeSocket:
        """A scalar operation, by Blender's name for it."""
        return self.node("ShaderNodeMath", dict(enumerate(values)), operation=operation).outputs[0]

    def vector(self, operation: str, *values: Value) -> bpy.types.NodeSocket:
        """A vector operation; those that give a number give it."""
        node = self.node("ShaderNodeVectorMath", dict(enumerate(values)), operation=operation)
        return node.outputs["Value" if operation in ("DOT_PRODUCT", "LENGTH", "DISTANCE") else "Vector"]

    def combine(self, *components: Value) -> bpy.types.NodeSocket:
        """A vector of up to three numbers; the rest are zero."""
        return self.node("ShaderNodeCombineXYZ", dict(enumerate(components))).outputs[0]

    def separate(self, vector: Value) -> tuple[bpy.types.NodeSocket, ...]:
        """The three numbers of a vector."""
        return tuple(self.node("ShaderNodeSeparateXYZ", {0: vector}).outputs)

    def texel(self, image: bpy.types.Image, position: Value) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
        """Colour and alpha of the texel at a position, 0..1, with nothing interpolated."""
        settings = {"interpolation": "Closest", "extension": "EXTEND", "projection": "FLAT"}
        node = self.node("ShaderNodeTexImage", {"Vector": position}, **settings)
        node.image = image
        node.hide = True
        return node.outputs["Color"], node.outputs["Alpha"]

    def call(self, group: bpy.types.NodeTree, inputs: dict[str, Value]) -> dict[str, bpy.types.NodeSocket]:
        """The outputs of another group for these inputs, by name."""
        node = self.node("ShaderNodeGroup", {}, node_tree=group)
        column = 0
        for name, value in inputs.items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[name])
                column = max(column, self._columns[value.node] + 1)
            else:
                node.inputs[name].default_value = value
        self._columns[node] = column
        row = self._filled.get(column, 0)
        self._filled[column] = row + 1
        node.location = (column * COLUMN_WIDTH, -row * ROW_HEIGHT)
        node.label = group.name
        return {socket.name: socket for socket in node.outputs}
