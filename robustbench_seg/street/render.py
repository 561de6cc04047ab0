"""The picture of a world: visibility, then colour and light for every sample, then pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.camera import Camera, rotation
from robustbench_seg.street.facets import balls_of, boxes_of, plates_of
from robustbench_seg.street.ground import FIRST_ITEM, KERB, cast_ground
from robustbench_seg.street.light import cast_shadows, contact_map
from robustbench_seg.street.paving import SIDEWALK_CLASS, classes_of
from robustbench_seg.street.projection import balls_seen, facets_seen
from robustbench_seg.street.raster import Grid
from robustbench_seg.street.scene import Light, Scene
from robustbench_seg.street.shading import Shader
from robustbench_seg.street.surfaces import Surfaces, surfaces_of

Float32 = npt.NDArray[np.float32]
Triple = tuple[Float32, Float32, Float32]

SKY_CLASS = 10


@dataclass(frozen=True)
class Frame:
    """A rendered frame; per pixel: `image` (H,W,3) uint8, `near` 1/m, `normals` (3,H,W) world, `labels`, `item`."""

    camera: Camera
    image: npt.NDArray[np.uint8]
    near: Float32
    normals: Float32
    labels: npt.NDArray[np.uint8]
    item: npt.NDArray[np.int32]


def camera_at(scene: Scene, offset: int, size: tuple[int, int]) -> Camera:
    """The camera at a frame of the path, -1, 0 or 1."""
    x, y, z, yaw, pitch, roll = scene.path[offset + 1]
    return Camera(size, scene.focal * size[1], np.array([x, y, z]), rotation(yaw, pitch, roll))


def render(scene: Scene, offset: int, size: tuple[int, int]) -> Frame:
    """The frame at `offset` with `size` (H,W)."""
    camera = camera_at(scene, offset, size)
    boxes, plates, balls = boxes_of(scene.parts, offset), plates_of(scene.parts, offset), balls_of(scene.parts, offset)
    surfaces = surfaces_of(camera, scene.ground, boxes, plates, balls)
    x, y = camera.rays()
    rays = _world_rays(camera, x, y)
    ground = cast_ground(scene.ground, camera.centre, rays)
    grid = Grid(x, y, ground.near, ground.ids)
    grid.cast(facets_seen(boxes, camera, FIRST_ITEM))
    grid.cast(facets_seen(plates, camera, FIRST_ITEM + len(boxes.item)))
    grid.cast(balls_seen(balls, camera, FIRST_ITEM + len(boxes.item) + len(plates.item)))
    shadows = cast_shadows(scene.light, (boxes, plates), balls)
    shader = Shader(scene, camera, surfaces, balls, shadows, contact_map(scene.parts, offset))
    colour, normals, strips = shader.shade(grid, rays)
    return _develop(scene, camera, grid, surfaces, colour, normals, strips)


def _world_rays(camera: Camera, x: Float32, y: Float32) -> Triple:
    r = camera.rotation.astype(np.float32)
    dx, dy, dz = (r[i, 0] * x[None] + (r[i, 1] * y[:, None] + r[i, 2]) for i in range(3))
    return dx, dy, dz


def _develop(
    scene: Scene,
    camera: Camera,
    grid: Grid,
    surfaces: Surfaces,
    colour: Float32,
    normals: Float32,
    strips: npt.NDArray[np.int8],
) -> Frame:
    """Samples to pixels: colours by a tent filter and the film's response, labels at pixel centres."""
    rows = colour[:, :-2:2] + 2 * colour[:, 1:-1:2] + colour[:, 2::2]
    mean = (rows[..., :-2:2] + 2 * rows[..., 1:-1:2] + rows[..., 2::2]) / 16
    centres = np.s_[1::2, 1::2]
    ids = grid.ids[centres]
    items = np.array([item.label for item in scene.parts.items], np.uint8)
    item = surfaces.item[ids].astype(np.int32)
    labels = np.where(item >= 0, items[item], classes_of(scene.ground)[strips[centres]]).astype(np.uint8)
    labels[ids == 0] = SKY_CLASS
    labels[ids == KERB] = SIDEWALK_CLASS
    return Frame(camera, _film(scene.light, mean), grid.near[centres].copy(), normals[:, 1::2, 1::2], labels, item)


def _film(light: Light, colour: Float32) -> npt.NDArray[np.uint8]:
    """Exposure, tint, a soft shoulder and contrast: (3,H,W) to (H,W,3) uint8."""
    exposed = np.maximum(colour * np.array(light.tint, np.float32)[:, None, None] * np.float32(light.exposure), 0)
    soft = exposed * (1 + exposed * 0.25) / (1 + exposed * 0.55)
    bright = np.power(soft, np.float32(1 / light.contrast))
    grey = (np.clip(bright, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(grey.transpose(1, 2, 0))
