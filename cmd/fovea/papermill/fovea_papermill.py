"""Lets papermill write parameters as Go, for notebooks of the Fovea kernel.

Installed beside papermill it is found by itself:  papermill -k fovea in.ipynb out.ipynb -p epochs 5
"""

import json
import math
import re


def __getattr__(name):
    # papermill imports this module as one of its engines, so that its last lines run: it knows no other way to find
    # translators. The engine itself is the usual one. This stands first, since the import below may end up here.
    if name == "Engine":
        from papermill.engines import NBClientEngine

        return NBClientEngine
    raise AttributeError(name)


from papermill.models import Parameter  # noqa: E402
from papermill.translators import Translator, papermill_translators  # noqa: E402


class GoTranslator(Translator):
    """Values as Go expressions, which are assigned to the variables that the cell tagged parameters declares.

    The elements of a list or a dictionary decide its type: []int, []float64 for a mix of both, []string, [][]int,
    map[string]float64 …, and any where they have nothing in common. None and what is empty are nil.
    """

    @classmethod
    def translate_none(cls, val):
        return "nil"

    @classmethod
    def translate_str(cls, val):
        # A JSON string is a Go string, but for surrogates, which Go has not.
        return json.dumps(val.encode("utf-8", "replace").decode("utf-8"), ensure_ascii=False).replace("\x7f", "\\u007f")

    translate_escaped_str = translate_str

    @classmethod
    def translate_float(cls, val):
        if math.isnan(val):
            return "math.NaN()"
        if math.isinf(val):
            return f"math.Inf({1 if val > 0 else -1})"
        return repr(val)

    @classmethod
    def translate_list(cls, val):
        return cls.literal(val, cls.type_of(val)) if val else "nil"

    @classmethod
    def translate_dict(cls, val):
        return cls.literal(val, cls.type_of(val)) if val else "nil"

    @classmethod
    def type_of(cls, val):
        """The Go type of a value; None for one that fits every slice or map, "any" for a mix."""
        if val is None or isinstance(val, (list, tuple, dict)) and not val:
            return None
        if isinstance(val, dict):
            return "map[string]" + (cls.common(val.values()) or "any")
        if isinstance(val, (list, tuple)):
            return "[]" + (cls.common(val) or "any")
        for kind, name in ((bool, "bool"), (int, "int"), (float, "float64")):
            if isinstance(val, kind):
                return name
        return "string"

    @classmethod
    def common(cls, values):
        types = {cls.type_of(v) for v in values}
        nil = None in types
        types.discard(None)
        if types == {"int", "float64"}:
            types = {"float64"}
        if nil and any(not t.startswith(("[", "map[")) for t in types):
            return "any"  # nil is no number and no text
        return types.pop() if len(types) == 1 else "any" if types else None

    @classmethod
    def literal(cls, val, kind):
        if kind == "any" or not isinstance(val, (list, tuple, dict)):
            kind = cls.type_of(val)
            if not isinstance(val, (list, tuple, dict)) or kind is None:
                return cls.translate(val)
        if not val:
            return "nil"
        if isinstance(val, dict):
            element = kind[len("map[string]"):]
            items = (f"{cls.translate_str(str(k))}: {cls.literal(v, element)}" for k, v in val.items())
        else:
            element = kind[len("[]"):]
            items = (cls.literal(v, element) for v in val)
        return f"{kind}{{{', '.join(items)}}}"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}".strip()

    VARIABLE = re.compile(r"^(?:var\s+(?P<var>\w+)\s*(?P<type>[^=\s][^=]*?)?\s*=|(?P<name>\w+)\s*:=)\s*(?P<value>.*?)\s*(?://\s*(?P<help>.*))?$")

    @classmethod
    def inspect(cls, parameters_cell):
        """The variables that are declared on lines of their own, for papermill --help-notebook."""
        found = []
        for line in parameters_cell["source"].splitlines():
            m = cls.VARIABLE.match(line)
            if m:
                found.append(Parameter(m["var"] or m["name"], m["type"] or cls.type_of_literal(m["value"]), m["value"], m["help"] or ""))
        return found

    LITERALS = (("int", r"[-+]?\d[\d_]*"), ("float64", r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"), ("string", r'"[^"]*"|`[^`]*`'), ("bool", "true|false"))

    @classmethod
    def type_of_literal(cls, text):
        """What := makes of a value; "None" where that takes more than a look at it."""
        conversion = re.match(r"(\w+)\(.*\)$|((?:\[\]|map\[\w+\])[\w.\[\]*]+)\{.*\}$", text)
        if conversion and (conversion[2] or re.match(r"u?int\d*$|float\d+$|string$|bool$", conversion[1])):
            return conversion[1] or conversion[2]
        return next((kind for kind, form in cls.LITERALS if re.fullmatch(form, text)), "None")


for name in ("go", "fovea"):
    papermill_translators.register(name, GoTranslator)
