"""Random expressions: mostly of a wanted type, so that most templates render."""

import values


# Stands for a double quote inside of the expressions below, which Python 3.11 does not let f-strings hold.
QUOTE = "`"


class Expressions:
    """Writes expressions over the variables that a template can see: pairs of name and type."""

    def __init__(self, rng):
        self.rng = rng
        self.values = values.Values(rng)
        self.scope = []

    def any(self, depth):
        return getattr(self, self.rng.choice(["str", "str", "int", "float", "bool", "list", "dict", "records", "none"]))(depth)

    def pick(self, choices, depth):
        """One of several ways; only plain ones at the bottom."""
        if depth <= 0:
            return choices[0]()
        return self.rng.choice(choices)()

    def atom(self, kind):
        names = [n for n, k in self.scope if k == kind]
        if names and self.rng.random() < 0.65:
            return self.rng.choice(names)
        if self.rng.random() < 0.02:
            return "missing"
        drawn = self.values.records() if kind == "records" else getattr(self.values, kind)(1)
        return self.values.literal(drawn)

    def none(self, depth):
        return "none"

    def group(self, text):
        return f"({text})"

    def wrap(self, text):
        return text if self.rng.random() < 0.3 and " " not in text else f"({text})"

    def str(self, depth):
        r, d = self.rng, depth - 1
        s = lambda: self.wrap(self.str(d))
        q = lambda: self.values.text(self.values.str())
        return self.pick([
            lambda: self.atom("str"),
            lambda: self.atom("str"),
            lambda: f"{s()} ~ {self.wrap(self.any(d))}",
            lambda: f"{s()} + {s()}",
            lambda: f"{s()} * {r.randint(-1, 3)}",
            lambda: f"{self.wrap(self.any(d))}|string",
            lambda: f"{s()}|{r.choice(['upper', 'lower', 'trim', 'capitalize', 'title', 'string', 'striptags', 'e', 'escape', 'forceescape', 'safe', 'urlencode', 'reverse', 'pprint', 'urlize'])}",
            lambda: f"{s()}.{r.choice(['upper', 'lower', 'strip', 'lstrip', 'rstrip', 'capitalize', 'title', 'swapcase'])}()",
            lambda: f"{s()}.{r.choice(['strip', 'lstrip', 'rstrip', 'removeprefix', 'removesuffix'])}({q()})",
            lambda: f"{s()}|trim({q()})",
            lambda: f"{s()}|replace({q()}, {q()}{r.choice(['', ', 1', ', 2'])})",
            lambda: f"{s()}.replace({q()}, {q()}{r.choice(['', ', 1', ', -1'])})",
            lambda: f"{s()}[{self.slice()}]",
            lambda: f"{s()}[{r.randint(-2, 2)}]",
            lambda: f"{s()}|center({r.randint(0, 14)})",
            lambda: f"{s()}.{r.choice(['center', 'ljust', 'rjust', 'zfill'])}({r.randint(0, 12)})",
            lambda: f"{s()}.{r.choice(['center', 'ljust', 'rjust'])}({r.randint(0, 12)}, '*')",
            lambda: f"{s()}|truncate({r.choice(['', '5', '6, true', '9, false, `!`', '4, true, `..`, 0', '10, leeway=0'])})",
            lambda: f"{s()}|indent({r.choice(['', '2', '2, true', '1, first=true, blank=true', 'width=`> `', '3, blank=true'])})",
            lambda: f"{s()}|wordwrap({r.choice(['', '5', '8, false', '6, wrapstring=`|`', '7, break_on_hyphens=false'])})",
            lambda: f"{self.wrap(self.list(d))}|join{r.choice(['', '(`, `)', '(d=`-`)', '(1)'])}",
            lambda: f"{self.wrap(self.records(d))}|join(', ', attribute={q() if r.random() < .2 else repr(r.choice(['role', 'n', 'content']))})",
            lambda: f"{q()}.join({self.strings(d)})",
            lambda: f"{self.wrap(self.any(d))}|tojson{r.choice(['', '(indent=2)', '(indent=4)', '(ensure_ascii=true)', '(sort_keys=true)', '(separators=(`,`, `:`))', '(indent=0)', '(indent=`--`)', '(false, 1)'])}",
            lambda: f"{self.wrap(self.number(d))}|filesizeformat{r.choice(['', '(true)'])}",
            lambda: self.percent(d),
            lambda: self.braces(d),
            lambda: f"{self.wrap(self.dict(d))}|xmlattr{r.choice(['', '(false)'])}",
            lambda: f"{s()} if {self.bool(d)} else {s()}",
            lambda: f"{s()} if {self.bool(d)}",
            lambda: f"{s()} or {s()}",
            lambda: f"{s()}|default({q()}{r.choice(['', ', true', ', boolean=true'])})",
            lambda: f"missing|default({q()})",
            lambda: f"{self.wrap(self.list(d))}|{r.choice(['first', 'last'])}",
            lambda: f"{self.wrap(self.dict(d))}|dictsort{r.choice(['', '(true)', '(by=`value`)', '(reverse=true)', '(false, `key`, true)'])}",
            lambda: f"{s()}.partition({q()}){r.choice(['', '[0]', '[-1]'])}",
            lambda: f"{s()}.expandtabs({r.choice(['', '4', '0'])})",
        ], depth)

    def percent(self, depth):
        spec = self.rng.choice(["%s", "%r", "%5s", "%-5s|", "%.2s", "%%"])
        if self.rng.random() < 0.6:
            spec = self.rng.choice(["%d", "%5d", "%05d", "%+d", "%x", "%#x", "%o", "%X", "%f", "%.2f", "%8.3f", "%e", "%.3e", "%g", "%.3g", "%G", "%i", "% d", "%-8.1f|", "%+.1e", "%#.3g"])
            return f"'{spec}' % {self.group(self.number(depth))}"
        if self.rng.random() < 0.4:
            return f"'{spec} %s'|format({self.any(depth)}, {self.any(depth)})"
        return f"'{spec}:%s' % ({self.any(depth)}, {self.any(depth)})"

    def braces(self, depth):
        if self.rng.random() < 0.5:
            spec = self.rng.choice(["", ":d", ":5d", ":<6d", ":^7d", ":>4d", ":+d", ":,d", ":08d", ":x", ":#b", ":o", ":_d", ":,", ":10"])
            if self.rng.random() < 0.5:
                spec = self.rng.choice(["", ":.2f", ":10.3f", ":e", ":g", ":.3", ":,.2f", ":%", ":.1%", ":+.3g", ":010.1f", ":<9", ":^12.2e", ":n"])
                return f"'{{{spec}}}'.format({self.float(depth)})"
            return f"'{{{spec}}}'.format({self.int(depth)})"
        return self.rng.choice([
            lambda: f"'{{}}-{{}}'.format({self.any(depth)}, {self.any(depth)})",
            lambda: f"'{{0}}{{1}}{{0}}'.format({self.any(depth)}, {self.any(depth)})",
            lambda: f"'{{a}} {{b!r}} {{{{}}}}'.format(a={self.any(depth)}, b={self.any(depth)})",
            lambda: f"'{{:>8}}|{{:<8}}|{{:^9}}|{{:*^7}}'.format({self.str(depth)}, {self.str(depth)}, {self.str(depth)}, {self.str(depth)})",
            lambda: f"'{{0[a]}} {{1[0]}}'.format({{'a': {self.any(depth)}}}, [{self.any(depth)}])",
        ])()

    def slice(self):
        part = lambda: self.rng.choice(["", "", str(self.rng.randint(-4, 4))])
        return self.rng.choice([f"{part()}:{part()}", f"{part()}:{part()}:{self.rng.choice(['', '1', '2', '-1', '-2'])}"])

    def strings(self, depth):
        return self.pick([
            lambda: "[" + ", ".join(self.str(0) for _ in range(self.rng.randint(0, 3))) + "]",
            lambda: f"{self.wrap(self.list(depth - 1))}|map('string')",
            lambda: f"{self.wrap(self.str(depth - 1))}.split()",
        ], depth)

    def number(self, depth):
        return self.int(depth) if self.rng.random() < 0.6 else self.float(depth)

    def int(self, depth):
        r, d = self.rng, depth - 1
        i = lambda: self.wrap(self.int(d))
        return self.pick([
            lambda: self.atom("int"),
            lambda: self.atom("int"),
            lambda: f"{i()} {r.choice(['+', '-', '*', '//', '%'])} {i()}",
            lambda: f"{i()} ** {r.randint(0, 4)}",
            lambda: f"-{i()}",
            lambda: f"{self.wrap(self.any(d))}|length" if r.random() < 0.2 else f"{self.wrap(r.choice([self.str, self.list, self.dict])(d))}|{r.choice(['length', 'count'])}",
            lambda: f"{self.wrap(self.any(d))}|int{r.choice(['', '(7)', '(default=-1)', '(base=16)', '(0, 2)'])}",
            lambda: f"{i()}|abs",
            lambda: f"[{self.int(d)}, {self.int(d)}]|{r.choice(['sum', 'max', 'min', 'first', 'last'])}",
            lambda: f"{self.wrap(self.str(d))}.{r.choice(['find', 'rfind', 'count'])}({self.str(0)}{r.choice(['', ', 1', ', 0, 3', ', -2'])})",
            lambda: f"{self.wrap(self.str(d))}|wordcount",
            lambda: f"{i()} if {self.bool(d)} else {i()}",
            lambda: f"{i()} {r.choice(['+', '-', '*'])} {self.wrap(self.bool(0))}",
            lambda: f"{i()}|round{r.choice(['', '(-1)', '(1)', '(-2)'])}",
            lambda: f"{self.wrap(self.records(d))}|sum(attribute='n')",
            lambda: f"{self.wrap(self.list(d))}.count({self.any(0)})",
        ], depth)

    def float(self, depth):
        r, d = self.rng, depth - 1
        f = lambda: self.wrap(self.float(d))
        return self.pick([
            lambda: self.atom("float"),
            lambda: self.atom("float"),
            lambda: f"{f()} {r.choice(['+', '-', '*', '/', '//', '%'])} {self.wrap(self.number(d))}",
            lambda: f"{self.wrap(self.int(d))} / {self.wrap(self.int(d))}",
            lambda: f"{f()} ** {r.choice(['2', '0.5', '-1', '0'])}",
            lambda: f"{self.wrap(self.number(d))}|round({r.choice(['', '1', '2', '3, `floor`', '1, `ceil`', '0, method=`floor`', '-1', 'precision=4'])})",
            lambda: f"{self.wrap(self.any(d))}|float{r.choice(['', '(1.5)', '(default=none)'])}",
            lambda: f"{f()}|abs",
            lambda: f"-{f()}",
            lambda: f"[{self.float(d)}, {self.number(d)}]|{r.choice(['sum', 'max', 'min'])}",
        ], depth)

    def bool(self, depth):
        r, d = self.rng, depth - 1
        return self.pick([
            lambda: self.atom("bool"),
            lambda: self.atom("bool"),
            lambda: f"{self.wrap(self.any(d))} {r.choice(['==', '!='])} {self.wrap(self.any(d))}",
            lambda: f"{self.wrap(self.number(d))} {r.choice(['<', '<=', '>', '>=', '==', '!='])} {self.wrap(self.number(d))}",
            lambda: f"{self.wrap(self.int(d))} < {self.wrap(self.int(d))} <= {self.wrap(self.int(d))}",
            lambda: f"{self.wrap(self.str(d))} {r.choice(['<', '<=', '>', '>=', '==', '!='])} {self.wrap(self.str(d))}",
            lambda: f"{self.wrap(self.str(d))} {r.choice(['in', 'not in'])} {self.wrap(self.str(d))}",
            lambda: f"{self.wrap(self.any(d))} {r.choice(['in', 'not in'])} {self.wrap(self.list(d))}",
            lambda: f"{self.wrap(self.str(d))} in {self.wrap(self.dict(d))}",
            lambda: f"not {self.wrap(self.any(d))}",
            lambda: f"{self.wrap(self.bool(d))} {r.choice(['and', 'or'])} {self.wrap(self.bool(d))}",
            lambda: f"{self.wrap(self.any(d))} is {r.choice(['', 'not '])}{r.choice(['defined', 'undefined', 'none', 'boolean', 'true', 'false', 'integer', 'float', 'number', 'string', 'sequence', 'iterable', 'mapping', 'callable', 'lower', 'upper', 'escaped'])}",
            lambda: f"missing is {r.choice(['', 'not '])}{r.choice(['defined', 'undefined', 'none', 'string', 'sequence', 'iterable', 'callable', 'number'])}",
            lambda: f"{self.wrap(self.int(d))} is {r.choice(['odd', 'even', 'divisibleby 3', 'divisibleby(2)', 'eq 1', 'ne 2', 'gt 1', 'lt(5)', 'ge 0', 'le(3)', 'equalto 2', 'greaterthan 3', 'lessthan 4'])}",
            lambda: f"{self.wrap(self.any(d))} is {r.choice(['in', 'not in'])} {self.group(self.list(d))}",
            lambda: f"{self.wrap(self.any(d))} is sameas({r.choice(['none', 'true', 'false'])})",
            lambda: f"{self.str(0)} is {r.choice(['filter', 'test'])}",
            lambda: f"'{r.choice(['upper', 'tojson', 'defined', 'nope', 'batch'])}' is {r.choice(['filter', 'test'])}",
            lambda: f"{self.wrap(self.str(d))}.{r.choice(['startswith', 'endswith'])}({self.str(0)})",
            lambda: f"{self.wrap(self.str(d))}.{r.choice(['isdigit', 'isalpha', 'isalnum', 'isspace', 'isupper', 'islower', 'istitle', 'isnumeric', 'isdecimal', 'isidentifier', 'isprintable', 'isascii'])}()",
        ], depth)

    def list(self, depth):
        r, d = self.rng, depth - 1
        x = lambda: self.wrap(self.list(d))
        return self.pick([
            lambda: self.atom("list"),
            lambda: self.atom("list"),
            lambda: "[" + ", ".join(self.any(d) for _ in range(r.randint(0, 3))) + "]",
            lambda: f"({self.any(d)}, {self.any(d)})",
            lambda: f"({self.any(d)},)",
            lambda: f"range({r.choice(['', '1, ', '-2, '])}{r.randint(-1, 5)}){r.choice(['', '|list'])}",
            lambda: f"range({r.randint(0, 9)}, {r.randint(0, 9)}, {r.choice([1, 2, -1, -3])})|list",
            lambda: f"{x()} + {x()}",
            lambda: f"{x()} * {r.randint(0, 2)}",
            lambda: f"{x()}[{self.slice()}]",
            lambda: f"{self.wrap(self.any(d))}|list",
            lambda: f"{x()}|sort{r.choice(['', '(reverse=true)', '(case_sensitive=true)', '(true, true)'])}",
            lambda: f"{x()}|{r.choice(['reverse', 'unique'])}|list",
            lambda: f"{x()}|unique(case_sensitive=true)|list",
            lambda: f"{x()}|{r.choice(['select', 'reject'])}{r.choice(['', '(`string`)', '(`number`)', '(`none`)', '(`in`, [1, `a`])', '(`eq`, 1)', '(`defined`)', '(`nope`)'])}|list",
            lambda: f"{x()}|map('{r.choice(['string', 'upper', 'length', 'int', 'tojson', 'title', 'float', 'string', 'e'])}')|list",
            lambda: f"{x()}|map('default', 'd', true)|list",
            lambda: f"{x()}|batch({r.choice(['2', '3', '2, `-`', '3, fill_with=0'])})|list",
            lambda: f"{x()}|slice({r.choice(['2', '3', '2, `-`', '4'])})|list",
            lambda: f"{self.wrap(self.str(d))}.{r.choice(['split()', 'split(`,`)', 'split(` `, 1)', 'rsplit(`,`, 1)', 'splitlines()', 'splitlines(true)', 'split(none, 1)', 'rsplit(maxsplit=1)'])}",
            lambda: f"{self.wrap(self.records(d))}|map(attribute='{r.choice(['role', 'n', 'content', 'flag'])}'{r.choice(['', ', default=`?`'])})|list",
            lambda: f"{self.wrap(self.dict(d))}.{r.choice(['items', 'keys', 'values'])}(){r.choice(['', '|list'])}",
            lambda: f"{self.wrap(self.dict(d))}|items|list",
            lambda: f"{self.wrap(self.dict(d))}|dictsort{r.choice(['', '(true)', '(by=`value`)', '(reverse=true)'])}",
        ], depth)

    def records(self, depth):
        r, d = self.rng, depth - 1
        x = lambda: self.wrap(self.records(d))
        key = lambda: r.choice(["role", "n", "content", "flag", "f"])
        return self.pick([
            lambda: self.atom("records"),
            lambda: self.atom("records"),
            lambda: f"{x()}|{r.choice(['selectattr', 'rejectattr'])}('{key()}'{r.choice(['', ', `defined`', ', `equalto`, `user`', ', `gt`, 2', ', `in`, [1, `a`]', ', `string`'])})|list",
            lambda: f"{x()}|sort(attribute='{key()}'{r.choice(['', ', reverse=true'])})",
            lambda: f"{x()}|sort(attribute='{key()},{key()}')",
            lambda: f"{x()}|unique(attribute='{key()}')|list",
            lambda: f"{x()}|groupby('{key()}'{r.choice(['', ', default=1', ', case_sensitive=true'])})",
            lambda: f"[{x()}|{r.choice(['min', 'max'])}(attribute='{key()}')]",
            lambda: f"{x()}[{self.slice()}]",
            lambda: f"{x()}[::-1]",
        ], depth)

    def dict(self, depth):
        r, d = self.rng, depth - 1
        return self.pick([
            lambda: self.atom("dict"),
            lambda: self.atom("dict"),
            lambda: "{" + ", ".join(f"{self.values.literal(r.choice(['a', 'b', 'c', 1, 2.5, True, None]))}: {self.any(d)}" for _ in range(r.randint(0, 3))) + "}",
            lambda: f"dict(a={self.any(d)}, b={self.any(d)})",
            lambda: f"dict({self.wrap(self.dict(d))}, z={self.any(d)})",
            lambda: f"{self.wrap(self.dict(d))}.copy()",
            lambda: f"({self.wrap(self.records(d))}|first)",
            lambda: f"{self.wrap(self.dict(d))}.get('{r.choice(['a', 'role'])}'{r.choice(['', ', {}', ', {`k`: 1}'])})",
        ], depth)
