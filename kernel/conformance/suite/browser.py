"""Notebooks in JupyterLab, clicked and typed by a user: `fovea lab` serves them to a real browser without a screen."""

import atexit
import json
import os
import re
import secrets
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import nbformat
from frontend import FIRST
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import sync_playwright

# Nothing that a browser does for itself, such as looking for updates.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SPIN = 'import ("fmt"; "time")\nspun := 0\nfor { spun++; fmt.Println("turn", spun); time.Sleep(20 * time.Millisecond) }'

BAR = """import ("time"; "fovea/kernel/display")
bar := display.NewProgress("counting", 60)
for i := range 60 {
    bar.Set(i+1, "half of it")
    time.Sleep(50 * time.Millisecond)
}"""

FIGURE = """import "fovea/notebooks/fig"
fig.Curves(fig.CurveOptions{Title: "squares"}, fig.Series{Name: "n", Y: []float64{0, 1, 4, 9}})"""


class Page:
    """A notebook that is open in the browser. Code cells count from 0."""

    def __init__(self, browser, url, token, path):
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.set_default_timeout(15_000)
        self.page.goto(f"{url}/lab/tree/{path.name}?token={token}&reset")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        # Before the kernel is connected, the notebook says "No Kernel" and calls that idle.
        self.wait(lambda: self.kernel() == "Go (Fovea)" and self.status() == "idle", "the kernel is idle")

    def wait(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            self.page.wait_for_timeout(30)

    def status(self):
        return self.page.locator(".jp-Notebook-ExecutionIndicator").get_attribute("data-status")

    def kernel(self):
        return self.page.locator(".jp-KernelName, .jp-Toolbar-kernelName").first.text_content()

    def cell(self, i):
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(i)

    def prompt(self, i):
        return self.cell(i).locator(".jp-InputPrompt").text_content().strip("[]: ")

    def output(self, i):
        return "\n".join(self.cell(i).locator(".jp-OutputArea-output").all_text_contents())

    def edit(self, i):
        self.cell(i).locator(".cm-content").click()

    def run(self, i, seconds=FIRST):
        self.edit(i)
        self.page.keyboard.press("Shift+Enter")
        self.done(i, seconds)

    def start(self, i):
        self.edit(i)
        self.page.keyboard.press("Shift+Enter")
        self.wait(lambda: self.prompt(i) == "*", f"cell {i} runs")

    def done(self, i, seconds=FIRST):
        self.wait(lambda: self.prompt(i).isdigit(), f"cell {i} has run", seconds)
        self.page.wait_for_timeout(200)  # the output is drawn after the reply

    def click(self, command):
        self.page.locator(f'[data-command="notebook:{command}"]').first.click()

    def menu(self, *path):
        for entry in path:
            self.page.get_by_text(entry, exact=True).first.click()

    def accept(self):
        self.page.locator(".jp-Dialog .jp-mod-accept").click()


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cls.url, cls.token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
        log = cls.enterClassContext(open(cls.folder / "lab.log", "w"))
        command = [os.environ["FOVEA_COMMAND"], "lab", "--no-browser", "--port", str(port), str(cls.folder)]
        options = ["--", f"--IdentityProvider.token={cls.token}", "--ServerApp.ip=127.0.0.1"]
        cls.lab = subprocess.Popen(command + options, stdout=log, stderr=log)
        atexit.register(cls.lab.terminate)  # an interrupt skips the cleanups
        cls.addClassCleanup(cls.lab.wait, 30)
        cls.addClassCleanup(cls.lab.terminate)
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{cls.url}/api", timeout=5).close()
                break
            except OSError:
                if cls.lab.poll() is not None or time.monotonic() > end:
                    raise AssertionError("no JupyterLab:\n" + (cls.folder / "lab.log").read_text())
                time.sleep(0.2)
        playwright = cls.enterClassContext(sync_playwright())
        cls.browser = playwright.chromium.launch(executable_path=os.environ["FOVEA_BROWSER"], args=QUIET)
        cls.addClassCleanup(cls.browser.close)

    def open(self, *sources):
        path = self.folder / f"{self._testMethodName}.ipynb"
        metadata = {"kernelspec": {"name": "fovea", "display_name": "Go (Fovea)", "language": "go"}}
        nbformat.write(new_notebook(cells=[new_code_cell(s) for s in sources], metadata=metadata), path)
        notebook = Page(self.browser, self.url, self.token, path)
        self.addCleanup(self.close, notebook)
        return notebook

    def close(self, notebook):
        """A picture of the end for those who want to look, then the kernels are shut down."""
        if shots := os.environ.get("FOVEA_SCREENSHOTS"):
            notebook.page.screenshot(path=Path(shots) / f"{self._testMethodName}.png")
        notebook.page.close()
        for session in json.loads(self.api("GET", "sessions")):
            self.api("DELETE", f"sessions/{session['id']}")

    def api(self, method, path):
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def test_cells_one_by_one(self):
        n = self.open("x := 20", "x++\nx", "2 * x")
        for i in range(3):
            n.run(i)
        self.assertEqual(n.output(0), "", "the set-up stays in the notebook")
        self.assertIn("42", n.output(2))
        n.run(1)  # again: the value was kept
        self.assertIn("22", n.output(1))
        self.assertEqual([n.prompt(i) for i in range(3)], ["1", "4", "3"])

    def test_errors_are_readable(self):
        n = self.open('var s int = "text"', "func fails(m map[string]int) { m[``] = 1 }\nfails(nil)", "1 + 1")
        n.run(0)
        self.assertRegex(n.output(0), r'In\[1\]:1:13: cannot use "text"')
        n.run(1)
        self.assertRegex(n.output(1), r"panic: assignment to entry in nil map\s+In\[2\]:1 in fails")
        for i in (0, 1):
            self.assertGreater(n.cell(i).locator("[class*=ansi-]").count(), 0, "no colours")
        n.run(2)
        self.assertIn("2", n.output(2))

    def test_progress_moves(self):
        n = self.open("ready := true", BAR)
        n.run(0)
        n.start(1)
        bar = n.cell(1).locator("progress")
        bar.wait_for()
        seen = set()
        while n.prompt(1) == "*":
            seen.add(bar.get_attribute("value"))
            n.page.wait_for_timeout(50)
        self.assertGreater(len(seen), 4)
        n.done(1)
        self.assertEqual(bar.count(), 1)
        self.assertIn("60/60", n.output(1))

    def test_figures_at_half_their_pixels(self):
        n = self.open(FIGURE)
        n.run(0)
        picture = n.cell(0).locator(".jp-OutputArea img")
        self.assertEqual(picture.count(), 1, n.output(0))
        pixels, shown = picture.evaluate("e => e.decode().then(() => [e.naturalWidth, e.clientWidth])")
        self.assertEqual(pixels, 2 * shown)

    def test_interrupt(self):
        n = self.open("kept := 7", SPIN, "kept", "spun > 3")
        n.run(0)
        n.start(1)
        n.wait(lambda: "turn 5" in n.output(1), "output while the cell runs")
        began = time.monotonic()
        n.click("interrupt-kernel")
        n.done(1, 10)
        self.assertLess(time.monotonic() - began, 3)
        self.assertIn("interrupted", n.output(1))
        n.run(2)
        n.run(3)
        self.assertIn("7", n.output(2))
        self.assertIn("true", n.output(3))

    def test_run_all_stops_at_an_error(self):
        n = self.open("a := 1", 'panic("here")', "a")
        n.menu("Run", "Run All Cells")
        n.done(1)
        n.wait(lambda: n.status() == "idle" and n.prompt(2) != "*", "all is over")
        self.assertEqual(n.prompt(2), "", "a cell that has not run has a number")

    def test_restart(self):
        n = self.open("gone := 1", "gone")
        n.run(0)
        n.run(1)
        n.click("restart-kernel")
        n.accept()
        n.page.wait_for_timeout(1000)
        n.wait(lambda: n.status() == "idle", "the kernel is idle again")
        n.run(1)
        self.assertIn("undefined: gone", n.output(1))
        n.menu("Run", "Run All Cells")
        n.wait(lambda: re.search(r"\b1\b", n.output(1)) and "undefined" not in n.output(1), "all cells have run")

    def test_completion_and_inspection(self):
        n = self.open("livingValue := []float64{1, 2}", "livingV", "livingValue")
        n.run(0)
        n.edit(1)
        n.page.keyboard.press("End")
        n.page.keyboard.press("Tab")
        n.page.locator(".jp-Completer").get_by_text("livingValue").first.wait_for()
        n.page.keyboard.press("Enter")
        n.wait(lambda: "livingValue" in n.cell(1).locator(".cm-content").text_content(), "Tab completes")
        n.edit(2)
        n.page.keyboard.press("Home")
        n.page.keyboard.press("ArrowRight")
        n.page.keyboard.press("Shift+Tab")
        tip = n.page.locator(".jp-Tooltip")
        n.wait(lambda: tip.count() == 1 and "[]float64" in tip.text_content(), "Shift+Tab shows the type")

    def test_gonb_widgets(self):
        n = self.open(
            'import ("fmt"; "github.com/janpfeifer/gonb/gonbui"; "github.com/janpfeifer/gonb/gonbui/widgets")\n'
            'button := widgets.Button("press").WithHtmlId("press").Done()\n'
            'slider := widgets.Slider(0, 10, 4).WithHtmlId("slide").Done()\n'
            "pressed := 0\n"
            'go func() {\n\tfor n := range button.Listen().C {\n\t\tpressed = n\n'
            '\t\tgonbui.UpdateHTML("count", fmt.Sprintf("<i>pressed %d</i>", n))\n\t}\n}()',
            'gonbui.UpdateHTML("count", "<i>never pressed</i>")',
            "slider.Value()",
            "slider.SetValue(9)\npressed",
        )
        for i in (0, 1):
            n.run(i)
        # While no cell runs.
        n.page.locator("#press").click()
        n.wait(lambda: "pressed 1" in n.output(1), "a click reaches the listener")
        n.page.locator("#press").click()
        n.wait(lambda: "pressed 2" in n.output(1), "and another one")
        n.page.locator("#slide").evaluate("e => { e.value = 7; e.dispatchEvent(new Event('change')) }")
        n.page.wait_for_timeout(300)
        n.run(2)
        self.assertIn("7", n.output(2))
        n.run(3)
        self.assertIn("2", n.output(3))
        n.wait(lambda: n.page.locator("#slide").input_value() == "9", "the program moves the slider")
        self.assertEqual(n.cell(0).locator("script").count(), 0, "a script stays in the notebook")

    def test_wasm(self):
        n = self.open(
            'func greeting() string { return "hello from the page" }',
            "%wasm\n%%\n"
            'document := js.Global().Get("document")\n'
            'document.Call("getElementById", GonbWasmDivId).Set("innerText", greeting())',
        )
        n.run(0)
        n.run(1)
        n.wait(lambda: "hello from the page" in n.output(1), "the program runs", 60)

    @unittest.skipUnless(find_spec("jupyterlab_widgets") and find_spec("anywidget"), "the widgets' extensions are not installed")
    def test_jupyter_widgets(self):
        n = self.open(
            'import ("encoding/json"; "fovea/kernel/display/widget")\n'
            "moved, clicked := 0, 0\n"
            'slider, err := widget.New("IntSlider", map[string]any{"min": 0, "max": 10, "step": 1, "value": 3, "readout": true, '
            '"readout_format": "d", "orientation": "horizontal", "continuous_update": true, "disabled": false, "behavior": "drag-tap"})\n'
            "if err != nil { panic(err) }\n"
            'slider.OnChange("value", func(v json.RawMessage) { json.Unmarshal(v, &moved) })\n'
            "slider",
            "counter, err := widget.Any(`export default { render({model, el}) {\n"
            '    const b = document.createElement("button");\n'
            '    const show = () => { b.textContent = "n " + model.get("n") };\n'
            '    b.id = "any";\n    b.onclick = () => { model.set("n", model.get("n") + 1); model.save_changes() };\n'
            '    model.on("change:n", show);\n    show();\n    el.append(b);\n'
            '} }`, "", map[string]any{"n": 5})\n'
            "if err != nil { panic(err) }\n"
            'counter.OnChange("n", func(v json.RawMessage) { json.Unmarshal(v, &clicked) })\n'
            "counter",
            'counter.Set("n", 40)\nslider.Set("value", 8)\nmoved*100 + clicked',
        )
        n.run(0)
        n.cell(0).locator(".noUi-handle").first.click()
        n.page.keyboard.press("ArrowRight")
        n.wait(lambda: "4" in n.cell(0).locator(".widget-readout").text_content(), "the slider moves")
        n.run(1)
        n.page.locator("#any").click()
        n.page.wait_for_timeout(300)
        n.run(2)
        self.assertIn("406", n.output(2))
        n.wait(lambda: n.page.locator("#any").text_content() == "n 40", "Go sets the counter")
        n.wait(lambda: "8" in n.cell(0).locator(".widget-readout").text_content(), "Go sets the slider")
