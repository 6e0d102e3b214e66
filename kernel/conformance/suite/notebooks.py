"""Notebooks run by nbclient, which jupyter execute and nbconvert call, by papermill, and as tests by nbmake."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import nbformat
from frontend import FIRST
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook


def run(*sources, **options):
    book = new_notebook(cells=[new_code_cell(source) for source in sources])
    client = NotebookClient(book, kernel_name="fovea", timeout=FIRST, **options)
    try:
        client.execute()
    finally:
        nbformat.validate(book)
    return book


def write(folder, name, *sources, parameters=None):
    """A file of a notebook; the cell of the parameters, if any, comes first and is tagged as such."""
    book = new_notebook(cells=[new_code_cell(source) for source in sources])
    book.metadata["kernelspec"] = {"name": "fovea", "display_name": "Go (Fovea)", "language": "go"}
    if parameters is not None:
        book.cells.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    path = Path(folder, name)
    nbformat.write(book, path)
    return path


def call(*command):
    return subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True, timeout=FIRST)


class Tools(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_papermill(self):
        book = write(self.folder, "in.ipynb", 'import "fmt"\nfmt.Println("sum", 2+3)', "6 * 7")
        done = call("papermill", "--no-progress-bar", book, self.folder / "out.ipynb")
        self.assertEqual(done.returncode, 0, done.stderr)
        out = nbformat.read(self.folder / "out.ipynb", 4)
        self.assertEqual(out.cells[0].outputs[0].text, "sum 5\n")
        self.assertEqual(out.cells[1].outputs[0].data["text/plain"], "42")
        self.assertFalse(out.metadata.papermill.exception)

    def test_papermill_stops_at_an_error(self):
        book = write(self.folder, "in.ipynb", "x := 1", 'panic("stop here")', "x")
        done = call("papermill", "--no-progress-bar", book, self.folder / "out.ipynb")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("stop here", done.stderr)

    def test_nbmake(self):
        write(self.folder, "good.ipynb", "x := 20", "x += 22\nx")
        write(self.folder, "bad.ipynb", 'import "errors"', 'panic(errors.New("this one fails"))')
        done = call("pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "--nbmake-timeout=300", self.folder)
        self.assertRegex(done.stdout, "1 failed, 1 passed", done.stdout + done.stderr)
        self.assertIn("this one fails", done.stdout)


class Notebooks(unittest.TestCase):
    def test_values_live_between_cells(self):
        book = run(
            "type Layer struct{ Units int }",
            "layers := []Layer{{64}, {10}}",
            "func (l Layer) Parameters(inputs int) int { return (inputs + 1) * l.Units }",
            'import "fmt"\nfmt.Println("first:", layers[0].Parameters(784))',
            "layers[1].Parameters(64)",
        )
        self.assertEqual(book.cells[3].outputs[0].text, "first: 50240\n")
        self.assertEqual(book.cells[4].outputs[0].output_type, "execute_result")
        self.assertEqual(book.cells[4].outputs[0].data["text/plain"], "650")
        self.assertEqual([c.execution_count for c in book.cells], [1, 2, 3, 4, 5])

    def test_rich_output_and_updates(self):
        book = run(
            "ready := true",  # a slow start shows its progress in the first cell
            'import ("fovea/kernel/display"; "fmt")\n'
            'display.ShowID("d", display.HTML("<i>old</i>"))\n'
            'fmt.Println("between")\n'
            'display.Update("d", display.HTML("<i>new</i>"))',
            'fmt.Println("gone")\ndisplay.Clear(false)\nfmt.Println("stays")',
        )
        shown, printed = book.cells[1].outputs
        self.assertEqual(shown.data["text/html"], "<i>new</i>")
        self.assertEqual(printed.text, "between\n")
        self.assertEqual([o.text for o in book.cells[2].outputs], ["stays\n"])

    def test_an_error_ends_the_run(self):
        with self.assertRaises(CellExecutionError) as raised:
            run("x := 1", "x = undefinedName", "x = 2")
        self.assertIn("undefinedName", str(raised.exception))

    def test_errors_can_be_allowed(self):
        book = run("x := 1", 'panic("boom")', "x + 1", allow_errors=True)
        self.assertEqual([o.output_type for o in book.cells[1].outputs], ["error"])
        self.assertEqual(book.cells[2].outputs[0].data["text/plain"], "2")

    def test_timeout_interrupts(self):
        book = new_notebook(cells=[new_code_cell("x := 7"), new_code_cell("for {\n}"), new_code_cell("x")])
        client = NotebookClient(book, kernel_name="fovea", interrupt_on_timeout=True, allow_errors=True,
                                timeout_func=lambda cell: 1 if "for" in cell.source else FIRST)
        client.execute()
        self.assertEqual(book.cells[1].outputs[0].ename, "Interrupted")
        self.assertEqual(book.cells[2].outputs[0].data["text/plain"], "7")
