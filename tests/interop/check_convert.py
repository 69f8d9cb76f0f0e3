# SPDX-License-Identifier: Apache-2.0
"""launch/convert-pth there and back: check_convert.py MSN CONVERT GOLDEN; beside it lies tiny/, GOLDEN in official form."""

import contextlib
import io
import os
import runpy
import subprocess
import sys

import safetensors
import safetensors.torch
import torch

msn, convert, golden = sys.argv[1:]


def expect(what, good):
    if not good:
        sys.exit(f"FAIL: {what}")


def run(code, pattern, *arguments):
    """The script in this process, which has torch loaded already."""
    out, err, got = io.StringIO(), io.StringIO(), 0
    sys.argv = [convert, *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(convert, run_name="__main__")
        except SystemExit as end:
            got = end.code
    text = out.getvalue() + err.getvalue()
    expect(f"{arguments}: code {got}, expected {code}\n{text}", got == code)
    expect(f"{arguments}: no '{pattern}' in\n{text}", pattern in text)
    if code:
        expect(f"{arguments}: more than one line:\n{text}", text.count("\n") == 1)
        expect(f"{arguments}: something was written", not os.path.exists(arguments[-1]) or "already" in pattern)


def equal(left, right):
    return sorted(left) == sorted(right) and all(
        torch.equal(left[key], right[key]) and left[key].dtype == right[key].dtype for key in left)


# As the official code saves it after a training on several processes.
encoder = {"module.cls_token": torch.randn(1, 1, 4), "module.patch_embed.proj.weight": torch.randn(3, 2).t(),
           "module.fc.bn1.num_batches_tracked": torch.tensor(3), "module.half": torch.randn(3).bfloat16(),
           "module.none": torch.zeros(0, 4)}
official = {"target_encoder": encoder, "encoder": encoder, "prototypes": torch.randn(4, 4), "epoch": 7,
            "opt": {"state": {}}, "lr": 0.1}
torch.save(official, "a.pth")
run(0, "11 tensors; left out: opt, lr", "a.pth", "a.safetensors")
tensors = safetensors.torch.load_file("a.safetensors")
expect("names", sorted(tensors) == sorted([f"{network}.{name}" for network in ("target_encoder", "encoder")
                                           for name in encoder] + ["prototypes"]))
expect("values", all(torch.equal(tensors["target_encoder." + name], value) for name, value in encoder.items()))
with safetensors.safe_open("a.safetensors", "pt") as file:
    expect("metadata", file.metadata() == {"format": "pt", "epoch": "7"})
run(0, "target_encoder, encoder, prototypes, epoch", "a.safetensors", "back.pth", "--module")
back = torch.load("back.pth", weights_only=True)
expect("keys", set(back) == {"target_encoder", "encoder", "prototypes", "epoch"} and back["epoch"] == 7)
expect("the encoder", equal(back["target_encoder"], encoder) and equal(back["encoder"], encoder))
expect("the prototypes", torch.equal(back["prototypes"], official["prototypes"]))
run(0, "epoch", "a.safetensors", "plain.pth")
plain = torch.load("plain.pth", weights_only=True)
expect("names without module.", equal(plain["target_encoder"], {name[7:]: value for name, value in encoder.items()}))

# Our export in the official layout, and what others call a state dict, through .pth files and into msn.
run(0, "target_encoder, epoch", "tiny/model.safetensors", "tiny.pth")
tiny = torch.load("tiny.pth", weights_only=True)["target_encoder"]
torch.save({"state_dict": tiny}, "wrapped.pth")
torch.save({"teacher": {"backbone." + name: value for name, value in tiny.items()}, "student": tiny}, "dino.pth")
for name in ("tiny", "wrapped", "dino"):
    run(0, "tensors", name + ".pth", name + ".safetensors")
    subprocess.run([msn, "import", "--from", name + ".safetensors", "--heads", "3", "--output", "from-" + name],
                   check=True)
    subprocess.run([msn, "export", "--weights", "from-" + name, "--format", "hf", "--output", "hf-" + name], check=True)
    expect(name + ": other tensors", equal(safetensors.torch.load_file(f"hf-{name}/model.safetensors"),
                                           safetensors.torch.load_file(golden + "/model.safetensors")))


class Code:
    def __reduce__(self):
        return print, ("this ran",)


torch.save({"target_encoder": Code()}, "code.pth")
run(74, "cannot be read without running code", "code.pth", "out.safetensors")
open("noise.pth", "wb").write(b"no pickle")
run(74, "is damaged", "noise.pth", "out.safetensors")
run(74, "cannot read", "absent.pth", "out.safetensors")
torch.save([1, 2], "list.pth")
run(74, "no weights", "list.pth", "out.safetensors")
torch.save({"epoch": 1}, "none.pth")
run(74, "no weights", "none.pth", "out.safetensors")
open("huge.safetensors", "wb").write(bytes(7) + b"\x10{}")
run(74, "header cannot have", "huge.safetensors", "out.pth")
open("bad.safetensors", "wb").write((2).to_bytes(8, "little") + b"[]")
run(74, "header is not that", "bad.safetensors", "out.pth")
run(74, "already", "a.pth", "a.safetensors")
run(2, "must end in .safetensors", "a.pth", "out.pth")
run(2, "is for .pth files", "--module", "a.pth", "out.safetensors")
print("convert-pth: there and back, and refused where it must be")
