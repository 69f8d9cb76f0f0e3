#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a user sees of a training: on a terminal, here a pseudo terminal, and through a pipe. live_line_test.py MSN SOURCE"""
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import unittest

import fcntl
import termios

MSN, SOURCE = sys.argv[1], sys.argv[2]
COLUMNS = 100
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (info|warning) \S")
LIVE = re.compile(r"step (\d+)/24  epoch [01]  loss \d+\.\d{4}  \d+\.\d images/s  data wait \d+ %  .* left$")


class Screen:
    """The lines of a terminal that knows line ends, returns, erasing to the end of a line, and colours."""

    def __init__(self):
        self.lines, self.column, self.seen = [""], 0, []

    def feed(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
            if part == "\n":
                self.lines.append("")
                self.column = 0
            elif part == "\r":
                self.seen.append(self.lines[-1])
                self.column = 0
            elif part.endswith("K"):
                self.lines[-1] = self.lines[-1][: self.column]
            elif part[0] != "\x1b":
                line = self.lines[-1].ljust(self.column)
                self.lines[-1] = line[: self.column] + part + line[self.column + len(part):]
                self.column += len(part)


def command(run, work):
    sets = ["train.global_batch=8", "train.epochs=2", "model.width=32", "model.depth=2", "model.head_hidden=32",
            "model.head_out=16", "model.prototypes=16", "checkpoint.every_steps=10", "optim.warmup_epochs=1"]
    words = [MSN, "train", SOURCE + "/configs/quickstart.toml", "--data", work + "/data", "--run", work + "/" + run]
    return words + [word for value in sets for word in ("--set", value)]


class LiveLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = cls.folder.name
        subprocess.run([MSN, "pack", "--input", "synthetic:shapes?images=96&size=40&seed=1", "--output",
                        cls.work + "/data"], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def on_terminal(self, run, terminal="xterm", columns=COLUMNS):
        """What standard error showed, as bytes and as a screen; standard output; the exit code."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(command(run, self.work), stdout=subprocess.PIPE, stderr=slave,
                                   env=dict(os.environ, TERM=terminal))
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # The last process has closed its end.
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        output = process.stdout.read().decode()
        process.stdout.close()
        text = shown.decode()
        screen = Screen()
        screen.feed(text)
        return text, screen, output, process.wait()

    def check_output(self, output, run):
        lines = output.splitlines()
        self.assertRegex(lines[0], r"^done after step 24 of 24, 192 images seen, .*; checkpoint .*step-00000024$")
        self.assertIn("why          the run is complete", lines)
        self.assertTrue(any(re.match(r"next +msn eval knn --run .*/%s --train .*/data --test" % run, line)
                            for line in lines), output)

    def check_log(self, run):
        with open(self.work + "/" + run + "/log.txt", encoding="utf-8") as file:
            log = file.read()
        self.assertNotRegex(log, r"[\r\x1b]")
        self.assertRegex(log, r"info step 24/24  epoch 1  loss .*  prototypes \d+  .* images/s  data wait \d+ %  0 s left\n")
        for row in ("versions     msn .*LibTorch .*HDF5 ", "model        width 32, depth 2, ", "batch        8 of 96 images",
                    "steps        1 to 24 of 24: 2 epochs of 12, warm-up 12", "memory       .* of the host",
                    "rank .*host .*cores", "checkpoints  every 10 steps"):
            self.assertRegex(log, "info " + row)

    def test_a_terminal_has_a_line_below_the_log(self):
        text, screen, output, code = self.on_terminal("terminal")
        self.assertEqual(code, 0, text)
        live = [line for line in screen.seen if LIVE.search(line)]
        self.assertTrue(live, text)
        self.assertTrue(all(len(line) < COLUMNS for line in live))
        steps = [int(LIVE.search(line).group(1)) for line in live]
        self.assertEqual(steps, sorted(steps))
        # In the end nothing is left of it, and every line of the log is whole and alone.
        self.assertEqual(screen.lines[-1], "")
        for line in screen.lines[:-1]:
            self.assertRegex(line, LOG_LINE)
            self.assertNotRegex(line, r"images/s +data wait")
        self.check_output(output, "terminal")
        self.check_log("terminal")

    def test_a_narrow_terminal_has_what_fits(self):
        _, screen, _, code = self.on_terminal("narrow", columns=30)
        self.assertEqual(code, 0)
        live = [line for line in screen.seen if line.startswith("step ")]
        self.assertTrue(live)
        self.assertTrue(all(len(line) <= 29 for line in live), live)

    def test_elsewhere_it_is_a_line_of_the_log(self):
        process = subprocess.run(command("pipe", self.work), capture_output=True, text=True, check=True)
        self.assertNotRegex(process.stderr, r"[\r\x1b]")
        self.assertRegex(process.stderr, r"info step 24/24  epoch 1 .*images/s  data wait \d+ %  0 s left\n")
        self.check_output(process.stdout, "pipe")
        self.check_log("pipe")

    def test_a_dumb_terminal_is_no_terminal(self):
        text, screen, _, code = self.on_terminal("dumb", terminal="dumb")
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b[K", text)
        self.assertTrue(any(re.search(r"info step 24/24 .* left$", line) for line in screen.lines), text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
