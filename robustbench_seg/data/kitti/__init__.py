"""KITTI: the semantics of 2015, and the raw recordings with their scans."""
