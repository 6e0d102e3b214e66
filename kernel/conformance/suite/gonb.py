"""Notebooks that run in Fovea's kernel and in stock GoNB, which `fovea kernel install --gonb` has set up."""

import os
import unittest
from pathlib import Path

import nbformat
from frontend import FIRST
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

TOUR = Path(os.environ["FOVEA_NOTEBOOKS"]) / "gonb-tour.ipynb"


def execute(book, kernel, **options):
    client = NotebookClient(book, kernel_name=kernel, timeout=FIRST, coalesce_streams=True, **options)
    client.execute(cwd=os.environ["FOVEA_SCRATCH"])
    nbformat.validate(book)
    return book


def shown(cell):
    """What a cell put out, without standard error: there the kernels say things of their own."""
    return [
        (o.output_type, o.get("text") or dict(o.data))
        for o in cell.outputs
        if o.output_type != "error" and o.get("name") != "stderr"
    ]


def run(*sources):
    book = execute(new_notebook(cells=[new_code_cell(source) for source in sources]), "gonb")
    return [cell.outputs for cell in book.cells]


class StockGoNB(unittest.TestCase):
    maxDiff = None

    def test_the_tour_shows_the_same(self):
        fovea, gonb = (execute(nbformat.read(TOUR, 4), kernel) for kernel in ("fovea", "gonb"))
        compared = 0
        for i, (a, b) in enumerate(zip(fovea.cells, gonb.cells, strict=True)):
            if a.cell_type == "code" and "nbval-ignore-output" not in a.metadata.get("tags", []):
                with self.subTest(cell=i, source=a.source):
                    self.assertEqual(shown(a), shown(b))
                    compared += 1
        self.assertGreater(compared, 30)

    def test_display(self):
        (outputs,) = run(
            'import "fovea/kernel/display"\n%%\ndefer display.Sync()\n'
            'display.Show(display.HTML("<b>bold</b>"), display.Markdown("*slanted*"))\n'
            "bar := display.NewProgress(\"counting\", 3)\nfor i := range 3 { bar.Set(i+1, \"on\") }\nbar.Done()\n"
            'display.Update("name", display.HTML("old"))\ndisplay.Update("name", display.HTML("new"))'
        )
        self.assertEqual([o.output_type for o in outputs], ["display_data"] * 4)
        self.assertEqual(outputs[0].data["text/html"], "<b>bold</b>")
        self.assertIn("*slanted*", outputs[1].data["text/markdown"])
        self.assertIn("3/3", outputs[2].data["text/html"])
        self.assertEqual(outputs[3].data["text/html"], "new")

    def test_figures(self):
        (outputs,) = run(
            'import ("fovea/kernel/display"; "fovea/notebooks/fig")\n%%\ndefer display.Sync()\n'
            'display.Show(fig.Curves(fig.CurveOptions{Title: "squares"}, fig.Series{Name: "n", Y: []float64{0, 1, 4, 9}}))'
        )
        self.assertIn("image/png", outputs[0].data)

    def test_a_layer_computes(self):
        (outputs,) = run(
            'import (\n"fovea/layers"\n_ "github.com/gomlx/compute/gobackend"\n"github.com/gomlx/compute"\n'
            '. "github.com/gomlx/gomlx/core/graph"\n"github.com/gomlx/gomlx/ml/model"\n)\n%%\n'
            "s := model.NewStore()\n"
            "e := model.MustNewExec1(compute.MustNew(), s, func(s *model.Scope, x *Node) *Node {\n"
            '\treturn layers.Dense(s.In("dense"), x, 3)\n})\n'
            "fmt.Println(e.MustCall([][]float32{{1, 2}, {3, 4}}).Shape())"
        )
        self.assertEqual("".join(o.get("text", "") for o in outputs if o.get("name") == "stdout"), "(Float32)[2, 3]\n")

    def test_recipes_are_there(self):
        (outputs,) = run(
            'import ("fovea/recipes"; _ "fovea/recipes/all")\n%%\n'
            "fmt.Println(len(recipes.All()) > 3)"
        )
        self.assertEqual("".join(o.get("text", "") for o in outputs if o.get("name") == "stdout"), "true\n")
