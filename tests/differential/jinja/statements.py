"""Random templates of statements around random expressions."""

import expressions

DATA = ["text", " ", "\n", "\n\n", "  \n", "a\n", "  b ", "\tc\n", "é", "<x>", "}", "%", "#", "'", "\n    "]


class Statements(expressions.Expressions):
    """Writes templates. Variables that a statement sets are known inside of it."""

    def __init__(self, rng):
        super().__init__(rng)
        self.loops = 0
        self.macros = []
        self.count = 0

    def name(self):
        self.count += 1
        return self.rng.choice(["v", "w", "item", "x"]) + str(self.count)

    def open(self):
        return self.rng.choice(["{% ", "{%- ", "{%+ ", "{%", "{%- ", "{% "])

    def close(self):
        return self.rng.choice([" %}", " -%}", " +%}", "%}", " %}", "-%}"])

    def tag(self, text):
        return f"{self.open()}{text}{self.close()}"

    def data(self):
        return self.rng.choice(DATA)

    def body(self, depth):
        kept, macros = list(self.scope), list(self.macros)
        parts = [self.data()]
        for _ in range(self.rng.randint(1, 3 if depth > 0 else 2)):
            parts += [self.statement(depth), self.data()]
        self.scope, self.macros = kept, macros
        return "".join(parts)

    def statement(self, depth):
        if depth <= 0 or self.rng.random() < 0.4:
            return self.output()
        ways = [self.if_, self.if_, self.for_, self.for_, self.set_, self.set_, self.set_, self.set_block, self.with_, self.macro, self.macro, self.call, self.filter_,
                self.raw, self.comment, self.namespace, self.recursive, self.generation, self.block, self.print_, self.helper]
        if self.loops:
            ways += [self.jump, self.loop_member, self.loop_member]
        return self.rng.choice(ways)(depth - 1)

    def output(self):
        if self.macros and self.rng.random() < 0.3:
            name, parameters = self.rng.choice(self.macros)
            arguments = [self.any(1) if self.rng.random() < 0.5 else f"{p}={self.any(1)}" for p in parameters[: self.rng.randint(0, len(parameters))]]
            arguments.sort(key=lambda a: "=" in a.split("'")[0].split('"')[0][:6])
            return "{{ " + f"{name}({', '.join(arguments)})" + " }}"
        begin, end = self.rng.choice(["{{ ", "{{- ", "{{"]), self.rng.choice([" }}", " -}}", " }}"])
        return begin + self.any(3) + end

    def if_(self, depth):
        text = self.tag(f"if {self.bool(2)}") + self.body(depth)
        if self.rng.random() < 0.3:
            text += self.tag(f"elif {self.any(2)}") + self.body(depth)
        if self.rng.random() < 0.5:
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endif")

    def for_(self, depth):
        kept = list(self.scope)
        way = self.rng.randint(0, 4)
        if way == 0:
            k, v = self.name(), self.name()
            head, inner = f"{k}, {v} in {self.wrap(self.dict(1))}.items()", [(k, "str"), (v, "str")]
        elif way == 1:
            row = self.name()
            head, inner = f"{row} in {self.wrap(self.records(1))}", [(f"{row}.{key}", kind) for key, kind in [("role", "str"), ("n", "int"), ("content", "str"), ("flag", "bool")]]
        elif way == 2:
            c = self.name()
            head, inner = f"{c} in {self.wrap(self.str(1))}", [(c, "str")]
        else:
            item = self.name()
            head, inner = f"{item} in {self.wrap(self.list(2))}", [(item, self.rng.choice(["str", "int", "any"]))]
        if self.rng.random() < 0.2:
            self.scope = kept + inner
            head += f" if {self.bool(1)}"
        self.scope = kept + inner
        self.loops += 1
        text = self.tag("for " + head) + self.body(depth)
        self.loops -= 1
        self.scope = kept
        if self.rng.random() < 0.2:
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endfor")

    def loop_member(self, depth):
        member = self.rng.choice(["index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0", "previtem", "nextitem",
                                  "cycle('a', 'b')", "changed(" + self.any(0) + ")"])
        return "{{ loop." + member + " }}"

    def jump(self, depth):
        return self.tag(f"if {self.bool(1)}") + self.tag(self.rng.choice(["break", "continue"])) + self.tag("endif")

    def set_(self, depth):
        kind = self.rng.choice(["str", "int", "float", "bool", "list", "dict", "records"])
        if self.rng.random() < 0.15:
            a, b = self.name(), self.name()
            text = self.tag(f"set {a}, {b} = {self.str(1)}, {self.int(1)}")
            self.scope += [(a, "str"), (b, "int")]
            return text
        old = [n for n, k in self.scope if k == kind and n.isidentifier()]
        name = self.rng.choice(old) if old and self.rng.random() < 0.4 else self.name()
        text = self.tag(f"set {name} = {getattr(self, kind)(2)}")
        self.scope.append((name, kind))
        return text

    def set_block(self, depth):
        name = self.name()
        filters = self.rng.choice(["", "", " | upper", " | trim", " | replace('a', 'b') | title", " | length"])
        kept = self.loops
        text = self.tag(f"set {name}{filters}") + self.body(depth) + self.tag("endset")
        self.loops = kept
        self.scope.append((name, "str"))
        return text

    def with_(self, depth):
        kept, name, kind = list(self.scope), self.name(), self.rng.choice(["str", "int", "list", "dict"])
        text = self.tag(f"with {name} = {getattr(self, kind)(2)}")
        self.scope.append((name, kind))
        text += self.body(depth) + self.tag("endwith")
        self.scope = kept
        return text

    def apart(self, depth, names):
        """The body of a macro: it does not see the loops around it, but their variables."""
        kept, loops, self.loops = list(self.scope), self.loops, 0
        self.scope += [(n, self.rng.choice(["str", "int", "list"])) for n in names]
        text = self.body(depth)
        self.scope, self.loops = kept, loops
        return text

    def macro(self, depth):
        name, parameters = self.name(), [self.name() for _ in range(self.rng.randint(0, 3))]
        required = self.rng.randint(0, len(parameters))
        signature = ", ".join(p if i < required else f"{p}={self.any(1)}" for i, p in enumerate(parameters))
        text = self.tag(f"macro {name}({signature})") + self.apart(depth, parameters)
        text += self.rng.choice(["", "", "{{ varargs }}", "{{ kwargs }}", "{{ caller() if caller }}", "{{ kwargs|dictsort }}{{ varargs|length }}"])
        text += self.tag("endmacro")
        self.macros.append((name, parameters))
        return text + self.output()

    def call(self, depth):
        name, parameter = self.name(), self.name()
        text = self.tag(f"macro {name}(a, b={self.any(0)})") + self.data() + "{{ caller(" + self.rng.choice(["a", "a, b", "b", "'z'"]) + ") }}" + self.tag("endmacro")
        signature = self.rng.choice([f"({parameter})", f"({parameter}, y=2)", f"({parameter}, y={self.any(0)})"])
        text += self.tag(f"call{signature} {name}({self.any(1)})") + self.apart(depth, [parameter]) + self.tag("endcall")
        return text

    def filter_(self, depth):
        filters = self.rng.choice(["upper", "trim", "indent(2)", "replace('a', 'o')", "title", "lower | capitalize", "tojson", "length", "wordwrap(6)", "truncate(8)", "center(20)"])
        return self.tag(f"filter {filters}") + self.body(depth) + self.tag("endfilter")

    def raw(self, depth):
        inside = self.rng.choice(["{{ x }}", "{% if %}", " a\n ", "{# c #}", "\n\n", "}}"])
        return self.rng.choice(["{% raw %}", "{%- raw %}", "{% raw -%}"]) + inside + self.rng.choice(["{% endraw %}", "{%- endraw -%}", "{%+ endraw %}"])

    def comment(self, depth):
        return self.rng.choice(["{# c #}", "{#- c -#}", "{# {{ x }}\n {% if %} #}", "{#+ c +#}", "{##}", "{#-#}"])

    def namespace(self, depth):
        name = self.name()
        text = self.tag(f"set {name} = namespace(a={self.str(1)}, n={self.int(1)})")
        loop = self.name()
        text += self.tag(f"for {loop} in {self.wrap(self.list(1))}")
        text += self.tag(self.rng.choice([f"set {name}.n = {name}.n + 1", f"set {name}.a = {name}.a ~ {loop}", f"set {name}.fresh = {loop}"]))
        text += self.tag("endfor") + "{{ " + self.rng.choice([f"{name}.n", f"{name}.a", f"{name}.fresh", f"{name}.n ~ {name}.a", name]) + " }}"
        self.scope += [(f"{name}.a", "str"), (f"{name}.n", "int")]
        return text

    def recursive(self, depth):
        tree = "[{'v': 1, 'c': [{'v': 2, 'c': []}, {'v': 3, 'c': [{'v': 'x', 'c': []}]}]}, {'v': %s, 'c': []}]" % self.any(0)
        inside = self.rng.choice(["{{ loop.depth }}", "{{ loop.index }}/{{ loop.length }}", "{{ loop.last }}", ""])
        return self.tag(f"for node in {tree} recursive") + self.data() + "{{ node.v }}" + inside + "{{ loop(node.c) }}" + self.data() + self.tag("endfor")

    def generation(self, depth):
        kept, self.loops = self.loops, 0
        text = self.tag("generation") + self.body(depth) + self.tag("endgeneration")
        self.loops = kept
        return text

    def block(self, depth):
        kept, loops, self.loops = list(self.scope), self.loops, 0
        name = self.name()
        text = self.tag(f"block {name}{self.rng.choice(['', ' scoped'])}") + self.body(depth) + self.tag("endblock" + self.rng.choice(["", " " + name]))
        self.scope, self.loops = kept, loops
        return text

    def print_(self, depth):
        return self.tag(f"print {self.any(2)}, {self.any(1)}")

    def helper(self, depth):
        name = self.name()
        if self.rng.random() < 0.5:
            use = "{{ " + self.rng.choice([f"{name}.next()", f"{name}.current", f"{name}.next() ~ {name}.next()"]) + " }}"
            return self.tag(f"set {name} = cycler({self.str(0)}, {self.any(0)})") + use + use
        use = "{{ " + name + "() }}"
        return self.tag(f"set {name} = joiner({self.rng.choice(['', repr('|')])})") + use + use + use

    def template(self):
        context = {}
        for kind in ["str", "str", "int", "float", "bool", "list", "dict", "records", "none"]:
            name = f"{kind[0]}{len(context)}"
            context[name] = self.values.records() if kind == "records" else getattr(self.values, kind)(2)
            self.scope.append((name, kind))
        parts = [self.data()]
        for _ in range(self.rng.randint(1, 4)):
            parts += [self.statement(self.rng.randint(1, 3)), self.data()]
        return "".join(parts).replace(expressions.QUOTE, '"'), context
