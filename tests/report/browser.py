# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, driven through its DevTools protocol over two pipes: no network, no driver, no packages."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import zlib


def pipe():
    """The two ends of a pipe, of numbers that are in nobody's way."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends


class Browser:
    """One browser with one page. Everything that the page complains of, and asks the network for, is kept."""

    def __init__(self, program, patience=60):
        self.patience = patience
        self.profile = tempfile.mkdtemp(prefix="msn-chromium-")
        read_here, write_there = pipe()
        read_there, write_here = pipe()
        # The browser reads from its descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{read_there} 4>&{write_there} {read_there}<&- {write_there}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={self.profile}"],
            pass_fds=(read_there, write_there), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/dev/null"})
        os.close(read_there)
        os.close(write_there)
        self.read_end, self.write_end = read_here, write_here
        self.received = b""
        self.count = 0
        self.session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(20)
        except (OSError, EOFError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.read_end)
        os.close(self.write_end)
        shutil.rmtree(self.profile, ignore_errors=True)

    def _message(self, deadline):
        while b"\0" not in self.received:
            if not select.select([self.read_end], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self.read_end, 1 << 20)
            if not part:
                raise EOFError("the browser has ended")
            self.received += part
        message, self.received = self.received.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self.patience
        while True:
            answer = self._message(deadline)
            if answer.get("id") != self.count:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def _wait_for(self, method):
        deadline = time.monotonic() + self.patience
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._message(deadline))

    def open(self, file, width, height, dark, phone):
        """Loads a file into a window of that size. What was seen of earlier pages is forgotten."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events = []
        self.call("Page.navigate", url="file://" + os.path.abspath(file))
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression):
        """The value of a JavaScript expression, which must be one that JSON can hold."""
        result = self.call("Runtime.evaluate", expression=f"JSON.stringify({expression})", awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return json.loads(result["result"]["value"])

    def move_mouse(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def screenshot(self, clip=None):
        """PNG of the window, or of a part of the whole page: x, y, width, height."""
        parameters = {"format": "png"}
        if clip:
            parameters.update(captureBeyondViewport=True, clip={**clip, "scale": 1})
        return base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"])

    def complaints(self):
        """What the page's scripts and the browser have complained of, and each request beyond the file itself."""
        found = []
        for event in self.events:
            method, said = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append("exception: " + json.dumps(said["exceptionDetails"])[:300])
            elif method == "Runtime.consoleAPICalled":
                found.append("console: " + json.dumps(said["args"])[:300])
            elif method == "Log.entryAdded":
                found.append(f"log: {said['entry']['level']} {said['entry']['text']}"[:300])
            elif method == "Page.javascriptDialogOpening":
                found.append("a dialog: " + said["message"])
            elif method == "Network.requestWillBeSent":
                url = said["request"]["url"]
                if said["type"] != "Document" and not url.startswith("data:"):
                    found.append("a request: " + url[:200])
        return found


def pixels(png):
    """Width, and the rows of a PNG as the browser writes it (8 bits, no interlace): bytes of RGB or RGBA."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        body = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
            depth, colour, interlace = body[8], body[9], body[12]
            assert (depth, interlace) == (8, 0) and colour in (2, 6), "a kind of PNG that this does not read"
            channels = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            data += body
        at += size + 12
    data = zlib.decompress(data)
    stride = width * channels
    rows, above = [], bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        method, row = data[start], bytearray(data[start + 1:start + 1 + stride])
        for i in range(stride):
            left = row[i - channels] if i >= channels else 0
            up = above[i]
            if method == 1:
                row[i] = (row[i] + left) & 255
            elif method == 2:
                row[i] = (row[i] + up) & 255
            elif method == 3:
                row[i] = (row[i] + (left + up) // 2) & 255
            elif method == 4:
                corner = above[i - channels] if i >= channels else 0
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                row[i] = (row[i] + near[2]) & 255
        rows.append(row)
        above = row
    return width, channels, rows


def count_colour(png, colour, tolerance=70):
    """Pixels of about that colour (r, g, b)."""
    width, channels, rows = pixels(png)
    return sum(all(abs(row[x * channels + c] - colour[c]) <= tolerance for c in range(3))
               for row in rows for x in range(width))
