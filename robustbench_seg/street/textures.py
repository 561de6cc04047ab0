"""What paints each material, except the ground's (`paving`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from robustbench_seg.street import masonry, paintwork
from robustbench_seg.street.noise import Values
from robustbench_seg.street.scene import Material
from robustbench_seg.street.spots import Spots

PAINT: Mapping[int, Callable[[Spots], Values]] = {
    Material.PLAIN: masonry.plain,
    Material.FACADE: masonry.facade,
    Material.SHOP: masonry.shop,
    Material.ROOF: masonry.roof,
    Material.STONE: masonry.stone,
    Material.SLATS: masonry.slats,
    Material.MESH: masonry.mesh,
    Material.LEAVES: masonry.leaves,
    Material.BARK: masonry.bark,
    Material.GLASS: paintwork.glass,
    Material.BODY: paintwork.body,
    Material.PANEL: paintwork.panel,
    Material.COACH: paintwork.coach,
    Material.WHEEL: paintwork.wheel,
    Material.SPOKES: paintwork.spokes,
    Material.SIGN: paintwork.sign,
    Material.LAMP: paintwork.lamp,
}
