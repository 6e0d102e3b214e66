"""Parameters that papermill sets: fovea kernel papermill's package teaches it Go."""

import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import nbformat
from frontend import FIRST
from nbformat.v4 import new_code_cell, new_notebook

DECLARED = """// What a run may set.
epochs := 8 // passes
rate := 0.1
name, wide := "a", false
seed := int64(1)
var plan []int
var schedule map[string]float64"""


class Parameters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.dir = Path(cls.folder.name)
        subprocess.run([os.environ["FOVEA_COMMAND"], "kernel", "papermill", "--dir", cls.dir], check=True, stdout=subprocess.DEVNULL)
        [wheel] = cls.dir.glob("*.whl")
        # Unpacked, it is as good as installed.
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(cls.dir / "site")
        cls.env = dict(os.environ, PYTHONPATH=str(cls.dir / "site"))

    def write(self, *sources, name="in.ipynb"):
        cells = [new_code_cell(DECLARED, metadata={"tags": ["parameters"]})] + [new_code_cell(s) for s in sources]
        path = self.dir / name
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": {"name": "fovea", "language": "go", "display_name": "Go"}}), path)
        return path

    def papermill(self, *args):
        return subprocess.run([sys.executable, "-m", "papermill", *map(str, args)], env=self.env, cwd=self.dir,
                              capture_output=True, text=True, timeout=FIRST)

    def test_papermill_sets_parameters(self):
        source = self.write("fmt.Println(epochs, rate, name, wide, seed, plan, schedule)")
        ran = self.papermill("-k", "fovea", source, "out.ipynb", "-p", "epochs", "1", "-p", "rate", "2", "-r", "name", 'wi"de',
                             "-y", "{plan: [64, 128], schedule: {warm: 1, cold: 0.5}, wide: true, seed: 7}")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        book = nbformat.read(self.dir / "out.ipynb", 4)
        self.assertEqual(book.cells[1].metadata.tags, ["injected-parameters"])
        self.assertIn("plan = []int{64, 128}\n", book.cells[1].source)
        self.assertEqual(book.cells[2].outputs[-1].text, '1 2 wi"de true 7 [64 128] map[cold:0.5 warm:1]\n')

    def test_a_failing_cell_is_papermills_error(self):
        ran = self.papermill(self.write("panic(name)"), "failed.ipynb", "-r", "name", "boom")
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("boom", ran.stderr)

    def test_papermill_lists_parameters(self):
        ran = self.papermill("--help-notebook", self.write("epochs"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        for line in ("epochs: int (default 8)", "rate: float64 (default 0.1)", "seed: int64 (default int64(1))"):
            self.assertIn(line, ran.stdout)

    def test_values_become_go(self):
        code = """import sys; sys.path.insert(0, sys.argv[1])
from fovea_papermill import GoTranslator as go
for value in (None, True, 1.5, float("-inf"), "a\\"\\n\\u00fc", [], [1, 2.0], [[1], []], [1, "a"], {"a": {"b": [1]}}, {"a": None, "b": 1}):
    print(go.translate(value))"""
        got = subprocess.run([sys.executable, "-c", code, self.dir / "site"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(got.splitlines(), [
            "nil", "true", "1.5", "math.Inf(-1)", '"a\\"\\nü"', "nil", "[]float64{1, 2.0}", "[][]int{[]int{1}, nil}", '[]any{1, "a"}',
            'map[string]map[string][]int{"a": map[string][]int{"b": []int{1}}}', 'map[string]any{"a": nil, "b": 1}'])
