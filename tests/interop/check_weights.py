# SPDX-License-Identifier: Apache-2.0
"""Runs lines of docs/weights.md and compares their network with ours: check_weights.py KIND LINES CLASS_TOKENS.

The working directory holds what weights_lines.sh has trained and exported.
"""

import json
import pathlib
import subprocess
import sys

import h5py
import numpy
import PIL.Image
import torch

kind, lines_file, class_tokens = sys.argv[1:]
SIDE, MEAN, STD = 24, [0.5, 0.25, 0.125], [0.25, 0.5, 0.75]
LIMIT = 1e-5


def fail(text):
    sys.exit(f"FAIL: {kind}: {text}")


def expect(what, found, expected):
    if found != expected:
        fail(f"{what}: {found}, expected {expected}")


def ours(pixels):
    """What our network makes of normalised pixels [n, 3, side, side]."""
    with h5py.File("pixels.h5", "w") as file:
        file["pixel_values"] = pixels.numpy()
    subprocess.run([class_tokens, "photos-official", "pixels.h5", "features.h5"], check=True)
    with h5py.File("features.h5") as file:
        return torch.from_numpy(file["features"][:])


def close(what, found, expected):
    expect(what + ": shape", tuple(found.shape), tuple(expected.shape))
    worst = (found - expected).abs().max().item()
    if not worst <= LIMIT:
        fail(f"{what}: features differ by {worst}")
    print(f"{what}: features differ by {worst:.1e}, of up to {found.abs().max().item():.1f}")


def compare(what, found, pixels):
    close(what, found, ours(pixels))


draw = numpy.random.default_rng(7)
PIL.Image.fromarray(draw.integers(0, 256, (40, 50, 3), dtype=numpy.uint8)).save("cat.png")
pictures = torch.from_numpy(draw.standard_normal((16, 3, SIDE, SIDE), dtype=numpy.float32))

with open(lines_file, encoding="utf-8") as lines:
    text = lines.read()
scope = {}
exec(compile(text, lines_file, "exec"), scope)

if kind == "transformers":
    transformers = scope["transformers"]
    what = f"transformers {transformers.__version__}"
    expect("class", type(scope["model"]).__name__, "ViTMSNModel")
    for loader in (transformers.AutoModel, transformers.ViTMSNModel):
        _, report = loader.from_pretrained("photos-hf", output_loading_info=True)
        expect("what loading reports", {key: list(value) for key, value in report.items() if value}, {})
    processor = transformers.AutoImageProcessor.from_pretrained("photos-hf")
    expect("mean", list(processor.image_mean), MEAN)
    expect("deviation", list(processor.image_std), STD)
    compare(what + ", the picture", scope["features"], scope["pixels"])
    with torch.no_grad():
        compare(what, scope["model"].eval()(pictures).last_hidden_state[:, 0], pictures)
elif kind == "timm":
    import safetensors.torch
    import timm

    what = f"timm {timm.__version__}"
    settings = timm.data.resolve_model_data_config(scope["model"])
    expect("mean", list(settings["mean"]), MEAN)
    expect("deviation", list(settings["std"]), STD)
    expect("size", tuple(settings["input_size"]), (3, SIDE, SIDE))
    image = scope["transform"](PIL.Image.open("cat.png").convert("RGB")).unsqueeze(0)
    compare(what + ", the picture", scope["features"], image)
    plain = timm.models.vision_transformer.VisionTransformer(
        img_size=SIDE, patch_size=scope["model"].patch_embed.patch_size[0], embed_dim=scope["model"].embed_dim,
        depth=len(scope["model"].blocks), num_heads=scope["model"].blocks[0].attn.num_heads, num_classes=0).eval()
    plain.load_state_dict(safetensors.torch.load_file("photos-timm/model.safetensors"), strict=True)
    with torch.no_grad():
        compare(what, scope["model"](pictures), pictures)
        compare(what + ", strictly", plain(pictures), pictures)
elif kind == "onnxruntime":
    onnxruntime = scope["onnxruntime"]
    what = f"onnxruntime {onnxruntime.__version__}"

    def outputs(model, pixels):
        names = [output.name for output in model.get_outputs()]
        values = model.run(names, {"pixel_values": pixels})
        return {name: torch.from_numpy(value) for name, value in zip(names, values)}

    facts = scope["model"].get_modelmeta().custom_metadata_map
    expect("mean", json.loads(facts["mean"]), MEAN)
    expect("deviation", json.loads(facts["std"]), STD)
    for key, value in (("image_size", str(SIDE)), ("network", "target"), ("step", "4")):
        expect(key, facts[key], value)
    picture = torch.from_numpy(scope["pixels"].transpose(2, 0, 1)[None].astype("float32"))
    compare(what + ", the picture", torch.from_numpy(scope["features"]), picture)
    compare(what, outputs(scope["model"], pictures.numpy())["cls"], pictures)
    # All outputs, for weights that are far from their beginning, as they are in float64.
    with h5py.File(pathlib.Path(__file__).parents[1] / "golden/vit_tiny/official.h5") as file:
        pixels = file["pixel_values"][:]
        before = torch.from_numpy(file["before_final_norm_float64"][:])
        after = torch.from_numpy(file["last_hidden_state_float64"][:])
    expected = {"last_hidden_state": after, "cls": after[:, 0], "patches": after[:, 1:],
                "cls_before_norm": before[:, 0]}
    found = outputs(onnxruntime.InferenceSession("tiny-onnx/model.onnx"), pixels)
    expect("outputs", sorted(found), sorted(expected))
    for name, values in expected.items():
        close(f"{what}, {name} of the golden network", found[name], values)
elif kind == "h5py":
    import safetensors.torch

    exported = safetensors.torch.load_file("photos-official/model.safetensors")
    del exported["prototypes"]
    expected = {name.removeprefix("target_encoder."): tensor for name, tensor in exported.items()}
    expect("names", sorted(scope["weights"]), sorted(expected))
    for name, tensor in expected.items():
        if not numpy.array_equal(scope["weights"][name], tensor.numpy()):
            fail(f"{name}: other values than exported")
    print(f"h5py {h5py.__version__}: {len(expected)} tensors of the checkpoint are those of the export")
else:
    fail("a kind that there is not")
