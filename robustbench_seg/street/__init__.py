"""A procedural driving world, ray-cast by exact geometry from a seed.

In reading order: `domains` (what `street` and `street-b` look like), `scene` (what a world is made of), `town`
(a random one), `camera`, `raster` (what every ray meets), `render` (the picture), `labels`, `cache`, `dataset`.
"""
