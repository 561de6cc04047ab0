"""The classes of data sets with many, in order of their ids."""

from __future__ import annotations

VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""The 21 of PASCAL VOC's segmentation.

Source: its development kit, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/segexamples/index.html.
"""

ADE20K = (
    "wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass", "cabinet", "sidewalk",
    "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water", "painting", "sofa",
    "shelf", "house", "sea", "mirror", "rug", "field", "armchair", "seat", "fence", "desk", "rock", "wardrobe", "lamp",
    "bathtub", "railing", "cushion", "base", "box", "column", "signboard", "chest of drawers", "counter", "sand",
    "sink", "skyscraper", "fireplace", "refrigerator", "grandstand", "path", "stairs", "runway", "case", "pool table",
    "pillow", "screen door", "stairway", "river", "bridge", "bookcase", "blind", "coffee table", "toilet", "flower",
    "book", "hill", "bench", "countertop", "stove", "palm", "kitchen island", "computer", "swivel chair", "boat",
    "bar", "arcade machine", "hovel", "bus", "towel", "light", "truck", "tower", "chandelier", "awning", "streetlight",
    "booth", "television receiver", "airplane", "dirt track", "apparel", "pole", "land", "bannister", "escalator",
    "ottoman", "bottle", "buffet", "poster", "stage", "van", "ship", "fountain", "conveyer belt", "canopy", "washer",
    "plaything", "swimming pool", "stool", "barrel", "basket", "waterfall", "tent", "bag", "minibike", "cradle",
    "oven", "ball", "food", "step", "tank", "trade name", "microwave", "pot", "animal", "bicycle", "lake",
    "dishwasher", "screen", "blanket", "sculpture", "hood", "sconce", "vase", "traffic light", "tray", "ashcan", "fan",
    "pier", "crt screen", "plate", "monitor", "bulletin board", "shower", "radiator", "glass", "clock", "flag",
)  # fmt: skip
"""The 150 of ADE20K's scene parsing benchmark, each by the first of its synonyms.

Source: `objectInfo150.txt` of the archive and of https://github.com/CSAILVision/sceneparsing.
"""

MAPILLARY = {
    "Bird": (165, 42, 42),
    "Ground Animal": (0, 192, 0),
    "Curb": (196, 196, 196),
    "Fence": (190, 153, 153),
    "Guard Rail": (180, 165, 180),
    "Barrier": (90, 120, 150),
    "Wall": (102, 102, 156),
    "Bike Lane": (128, 64, 255),
    "Crosswalk - Plain": (140, 140, 200),
    "Curb Cut": (170, 170, 170),
    "Parking": (250, 170, 160),
    "Pedestrian Area": (96, 96, 96),
    "Rail Track": (230, 150, 140),
    "Road": (128, 64, 128),
    "Service Lane": (110, 110, 110),
    "Sidewalk": (244, 35, 232),
    "Bridge": (150, 100, 100),
    "Building": (70, 70, 70),
    "Tunnel": (150, 120, 90),
    "Person": (220, 20, 60),
    "Bicyclist": (255, 0, 0),
    "Motorcyclist": (255, 0, 100),
    "Other Rider": (255, 0, 200),
    "Lane Marking - Crosswalk": (200, 128, 128),
    "Lane Marking - General": (255, 255, 255),
    "Mountain": (64, 170, 64),
    "Sand": (230, 160, 50),
    "Sky": (70, 130, 180),
    "Snow": (190, 255, 255),
    "Terrain": (152, 251, 152),
    "Vegetation": (107, 142, 35),
    "Water": (0, 170, 30),
    "Banner": (255, 255, 128),
    "Bench": (250, 0, 30),
    "Bike Rack": (100, 140, 180),
    "Billboard": (220, 220, 220),
    "Catch Basin": (220, 128, 128),
    "CCTV Camera": (222, 40, 40),
    "Fire Hydrant": (100, 170, 30),
    "Junction Box": (40, 40, 40),
    "Mailbox": (33, 33, 33),
    "Manhole": (100, 128, 160),
    "Phone Booth": (142, 0, 0),
    "Pothole": (70, 100, 150),
    "Street Light": (210, 170, 100),
    "Pole": (153, 153, 153),
    "Traffic Sign Frame": (128, 128, 128),
    "Utility Pole": (0, 0, 80),
    "Traffic Light": (250, 170, 30),
    "Traffic Sign (Back)": (192, 192, 192),
    "Traffic Sign (Front)": (220, 220, 0),
    "Trash Can": (140, 140, 20),
    "Bicycle": (119, 11, 32),
    "Boat": (150, 0, 255),
    "Bus": (0, 60, 100),
    "Car": (0, 0, 142),
    "Caravan": (0, 0, 90),
    "Motorcycle": (0, 0, 230),
    "On Rails": (0, 80, 100),
    "Other Vehicle": (128, 64, 64),
    "Trailer": (0, 0, 110),
    "Truck": (0, 0, 70),
    "Wheeled Slow": (0, 0, 192),
    "Car Mount": (32, 32, 32),
    "Ego Vehicle": (120, 10, 10),
}
"""The 65 that Mapillary Vistas v1.2 evaluates, with its colours. Source: the `config.json` of its archive."""

CITYSCAPES_OF_MAPILLARY = {
    "Road": "road",
    "Lane Marking - General": "road",
    "Manhole": "road",
    "Curb": "sidewalk",
    "Sidewalk": "sidewalk",
    "Building": "building",
    "Wall": "wall",
    "Fence": "fence",
    "Pole": "pole",
    "Utility Pole": "pole",
    "Traffic Light": "traffic light",
    "Traffic Sign (Front)": "traffic sign",
    "Vegetation": "vegetation",
    "Terrain": "terrain",
    "Sky": "sky",
    "Person": "person",
    "Bicyclist": "rider",
    "Motorcyclist": "rider",
    "Other Rider": "rider",
    "Car": "car",
    "Truck": "truck",
    "Bus": "bus",
    "On Rails": "train",
    "Motorcycle": "motorcycle",
    "Bicycle": "bicycle",
}
"""What of Mapillary Vistas v1.2 domain generalisation from Cityscapes is measured on; the other classes are void.

Source: Hoyer et al., TPAMI 2023, `tools/convert_datasets/mapillary.py` of https://github.com/lhoyer/HRDA.
"""

VKITTI = {
    "terrain": (210, 0, 200),
    "sky": (90, 200, 255),
    "tree": (0, 199, 0),
    "vegetation": (90, 240, 0),
    "building": (140, 140, 140),
    "road": (100, 60, 100),
    "guard rail": (250, 100, 255),
    "traffic sign": (255, 255, 0),
    "traffic light": (200, 200, 0),
    "pole": (255, 130, 0),
    "misc": (80, 80, 80),
    "truck": (160, 60, 60),
    "car": (255, 127, 80),
    "van": (0, 139, 139),
}
"""Virtual KITTI 2's categories but its Undefined, with its colours. Source: its `colors.txt`."""

CITYSCAPES_OF_VKITTI = {
    "terrain": "terrain",
    "sky": "sky",
    "tree": "vegetation",
    "vegetation": "vegetation",
    "building": "building",
    "road": "road",
    "traffic sign": "traffic sign",
    "traffic light": "traffic light",
    "pole": "pole",
    "truck": "truck",
    "car": "car",
    "van": "car",
}
"""Vans are cars to Cityscapes, and it does not evaluate guard rails."""

CARLA = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (100, 40, 40),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (145, 170, 100),
    "sky": (70, 130, 180),
    "pedestrian": (220, 20, 60),
    "vehicle": (0, 0, 142),
}
"""What CARLA before 0.9.14 tells apart of what Cityscapes does, with its colours.

Source: "Sensors reference" of its documentation, 0.9.13.
"""

CARLA_OF_CITYSCAPES = {name: name for name in CARLA if name not in ("pedestrian", "vehicle")} | {
    "person": "pedestrian",
    "rider": "pedestrian",
    "car": "vehicle",
    "truck": "vehicle",
    "bus": "vehicle",
    "train": "vehicle",
    "motorcycle": "vehicle",
    "bicycle": "vehicle",
}

NYU = {
    "wall": "wall",
    "floor": "floor",
    "cabinet": "furniture",
    "bed": "bed",
    "chair": "chair",
    "sofa": "sofa",
    "table": "table",
    "door": "wall",
    "window": "window",
    "bookshelf": "furniture",
    "picture": "picture",
    "counter": "furniture",
    "blinds": "window",
    "desk": "table",
    "shelves": "furniture",
    "curtain": "window",
    "dresser": "furniture",
    "pillow": "objects",
    "mirror": "objects",
    "floor mat": "floor",
    "clothes": "objects",
    "ceiling": "ceiling",
    "books": "books",
    "refrigerator": "furniture",
    "television": "tv",
    "paper": "objects",
    "towel": "objects",
    "shower curtain": "objects",
    "box": "objects",
    "whiteboard": "objects",
    "person": "objects",
    "night stand": "furniture",
    "toilet": "objects",
    "sink": "objects",
    "lamp": "objects",
    "bathtub": "objects",
    "bag": "objects",
    "other structure": "objects",
    "other furniture": "furniture",
    "other prop": "objects",
}
"""NYUv2's 40 classes (Gupta et al., CVPR 2013), and which of its 13 (Couprie et al., ICLR 2013) each belongs to.

Source: SceneNet, https://github.com/ankurhanda/SceneNetv1.0.
"""

NYU_COARSE = tuple(sorted(set(NYU.values())))
"""NYUv2's 13 classes; they are numbered by name."""
