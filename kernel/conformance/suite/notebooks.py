"""Notebooks run by nbclient, which is what jupyter execute, nbconvert and papermill call."""

import unittest

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
