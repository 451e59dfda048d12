"""Write the run-length codes that pycocotools gives for small masks, for the page's tests."""

import json
import sys
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

rng = np.random.default_rng(7)


def case(name, mask):
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {
        "name": name,
        "size": [int(n) for n in code["size"]],
        "bits": "".join(map(str, mask.astype(int).ravel())),
        "counts": code["counts"].decode(),
        "area": int(coco.area(code)),
        "bbox": [int(n) for n in coco.toBbox(code)],
    }


yy, xx = np.mgrid[:40, :57]
cases = [
    case("empty", np.zeros((5, 7))),
    case("full", np.ones((5, 7))),
    case("one pixel", np.eye(1)),
    case("first pixel", np.pad(np.ones((1, 1)), ((0, 3), (0, 2)))),
    case("disc", (yy - 18) ** 2 + (xx - 30) ** 2 < 200),
    case("ring", abs(np.hypot(yy - 18, xx - 30) - 12) < 3),
    case("noise", rng.random((13, 31)) < 0.5),
    case("sparse", rng.random((60, 40)) < 0.02),
    case("long runs", np.repeat(rng.random((1, 23)) < 0.5, 300, axis=0)),
]
Path(sys.argv[1]).write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")
