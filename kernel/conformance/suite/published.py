"""jupyter_kernel_test with samples for this kernel."""

import jupyter_kernel_test
from frontend import FIRST


class Kernel(jupyter_kernel_test.KernelTests):
    kernel_name = "fovea"
    language_name = "go"
    file_extension = ".go"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kc.execute_interactive("greeting := 1", timeout=FIRST, output_hook=lambda msg: None)

    code_hello_world = 'import "fmt"\nfmt.Println("hello, world")'
    code_stderr = 'import ("fmt"; "os")\nfmt.Fprintln(os.Stderr, "to stderr")'
    completion_samples = [{"text": "greet", "matches": {"greeting"}}, {"text": "appe", "matches": {"append"}}]
    complete_code_samples = ["x := 1", "func f() int {\n\treturn 1\n}", 'import "fmt"', "type T struct{ A int }", "%cd /tmp", ""]
    incomplete_code_samples = ["for i := range 3 {", "f(1,", "x :=", "x := `raw", "/* comment", "func f() {\n\tif x {\n\t}"]
    invalid_code_samples = ["}", "f(]", 'x := "cut\n"']
    code_generate_error = 'panic("no")'
    code_page_something = "greeting?"
    code_execute_result = [
        {"code": "611 * 7", "result": "4277"},
        {"code": '"a" + "b"', "result": "ab"},
        {"code": "[]int{1, 2}"},
    ]
    code_display_data = [
        {"code": 'import "fovea/kernel/display"\ndisplay.Show(display.HTML("<b>bold</b>"))', "mime": "text/html"},
        {"code": 'import ("fovea/kernel/display"; "image")\ndisplay.Show(image.NewGray(image.Rect(0, 0, 4, 4)))', "mime": "image/png"},
    ]
    code_history_pattern = "6?? ?*7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "greeting"
    code_clear_output = 'import "fovea/kernel/display"\ndisplay.Clear(true)'


class Welcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "fovea"
    support_iopub_welcome = True
