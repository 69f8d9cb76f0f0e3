# SPDX-License-Identifier: Apache-2.0
"""rand_augment.h5: Pillow's results of the operations of RandAugment.   usage: python rand_augment.py OUT.h5"""
import sys
import h5py
import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageOps

OPS = ["auto_contrast", "equalize", "invert", "rotate", "posterize", "solarize", "solarize_add", "colour", "contrast",
       "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y"]
FILL = (124, 116, 104)


def pictures():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:37, 0:45]
    wave = 110 + 70 * np.sin(x[..., None] / (3 + np.arange(3))) * np.cos(y[..., None] / 5)
    yield "waves", np.clip(wave + rng.normal(size=wave.shape) * 12, 20, 220).astype(np.uint8)
    yield "noise", rng.integers(0, 256, (24, 24, 3)).astype(np.uint8)
    two = np.full((31, 20, 3), 90, np.uint8)
    two[5:17, 3:12] = (200, 90, 13)
    yield "two levels", two
    yield "one level", np.full((9, 8, 3), 77, np.uint8)


def solarize_add(image, add):
    lut = [min(255, i + add) if i < 128 else i for i in range(256)]
    return image.point(lut * 3)


def run(op, amount, image):
    affine = dict(resample=Image.BICUBIC, fillcolor=FILL)
    move = lambda m: image.transform(image.size, Image.AFFINE, m, **affine)
    return {
        "auto_contrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
        "rotate": lambda: image.rotate(amount, **affine),
        "posterize": lambda: ImageOps.posterize(image, int(amount)),
        "solarize": lambda: ImageOps.solarize(image, int(amount)),
        "solarize_add": lambda: solarize_add(image, int(amount)),
        "colour": lambda: ImageEnhance.Color(image).enhance(amount),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(amount),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(amount),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(amount),
        "shear_x": lambda: move((1, amount, 0, 0, 1, 0)),
        "shear_y": lambda: move((1, 0, 0, amount, 1, 0)),
        "translate_x": lambda: move((1, 0, amount * image.size[0], 0, 1, 0)),
        "translate_y": lambda: move((1, 0, 0, 0, 1, amount * image.size[1])),
    }[op]()


AMOUNTS = {"rotate": [-30, -11.7, 0.0, 3.3, 27.123, 30], "posterize": [1, 2, 3, 4], "solarize": [0, 26, 128, 256],
           "solarize_add": [0, 55, 99, 128], "colour": [0.1, 0.77, 1.0, 1.9], "contrast": [0.1, 0.77, 1.9],
           "brightness": [0.1, 0.77, 1.9], "sharpness": [0.1, 0.5, 1.0, 1.37, 1.9],
           "shear_x": [-0.3, 0.1234, 0.27], "shear_y": [-0.3, 0.1234, 0.27],
           "translate_x": [-0.45, 0.1, 0.3333], "translate_y": [-0.45, 0.1, 0.3333]}

names, sizes, pixels = [], [], []
cases = dict(input=[], operation=[], amount=[])
outs = []
for i, (name, array) in enumerate(pictures()):
    names.append(np.bytes_(name))
    sizes.append([array.shape[1], array.shape[0]])
    pixels.append(array.ravel())
    for o, op in enumerate(OPS):
        for amount in AMOUNTS.get(op, [0.0]):
            out = np.asarray(run(op, float(amount), Image.fromarray(array)))
            assert out.shape == array.shape and out.dtype == np.uint8
            cases["input"].append(i)
            cases["operation"].append(o)
            cases["amount"].append(float(amount))
            outs.append(out.ravel())
with h5py.File(sys.argv[1], "w", libver=("earliest", "v110")) as f:
    f.attrs["pillow"] = np.bytes_(PIL.__version__)
    f["input/name"] = np.array(names)
    f["input/size"] = np.array(sizes, np.int32)
    f["input/pixels"] = np.concatenate(pixels)
    f["case/input"] = np.array(cases["input"], np.int32)
    f["case/operation"] = np.array(cases["operation"], np.int32)
    f["case/amount"] = np.array(cases["amount"])
    f["case/pixels"] = np.concatenate(outs)
    print(len(outs), "cases", sum(map(len, outs)), "bytes")
