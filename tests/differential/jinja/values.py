"""Random values, and the texts of templates that stand for them."""

WORDS = ["a", "b", "hello", "World", "user", "assistant", "tool", "x y", " padded ", "", "ABC", "ab,cd,ef", "1", "42", "3.7", "-5", "1e3", "naïve", "Straße",
         "日本語", "emoji 😀", "it's", 'say "hi"', "<b>&amp;</b>", "line\nbreak", "tab\there", "a\r\nb\n\nc", "{{ x }}", "%s and %d", "{} {0}", "foo-bar baz",
         "ΑΣ", "İI", "ǆ", "true", "None", "  lead", "trail\n", "a/b?c=d&e=f", "http://example.com/x.", "<think>\nabc\n</think>\n\nanswer", "get_weather"]
INTS = [0, 1, 2, 3, -1, 7, 10, 12, -5, 100, 255, 1000, 65536, 123456789, 2**53 + 1, 2**63 - 1, -(2**31)]
FLOATS = [0.0, 1.0, 0.5, -1.5, 2.5, 3.14159, 1e-5, 1e-07, 1e16, 1e22, 123456.789, 0.1, -0.0, 1.25, 1e300, 5e-324, 100.0, 0.000123, 1 / 3, 1e15]
KEYS = ["role", "content", "name", "a", "b", "k", "items", "type", "é", "x y", "id", "properties"]


class Values:
    """Draws values for a context, and literals that mean the same in a template."""

    def __init__(self, rng):
        self.rng = rng

    def value(self, depth=2):
        kind = self.rng.choice(["str", "str", "int", "float", "bool", "none", "list", "dict"] if depth else ["str", "int", "float", "bool", "none"])
        return getattr(self, kind)(depth)

    def str(self, depth=0):
        return self.rng.choice(WORDS)

    def int(self, depth=0):
        return self.rng.choice(INTS) if self.rng.random() < 0.7 else self.rng.randint(-20, 20)

    def float(self, depth=0):
        return self.rng.choice(FLOATS) if self.rng.random() < 0.7 else round(self.rng.uniform(-1000, 1000), self.rng.randint(0, 6))

    def bool(self, depth=0):
        return self.rng.random() < 0.5

    def none(self, depth=0):
        return None

    def list(self, depth=2):
        size = self.rng.randint(0, 4)
        if self.rng.random() < 0.6:
            kind = self.rng.choice(["str", "int", "float", "bool"])
            return [getattr(self, kind)(0) for _ in range(size)]
        return [self.value(depth - 1) for _ in range(size)]

    def dict(self, depth=2):
        return {self.rng.choice(KEYS): self.value(depth - 1) for _ in range(self.rng.randint(0, 4))}

    def records(self):
        """A list of dictionaries that share keys."""
        kinds = {"role": "str", "content": "str", "n": "int", "f": "float", "flag": "bool"}
        keys = self.rng.sample(sorted(kinds), self.rng.randint(2, 4))
        rows = [{k: getattr(self, kinds[k])(0) for k in keys} for _ in range(self.rng.randint(0, 4))]
        if rows and self.rng.random() < 0.15:
            rows[-1].pop(keys[0])
        return rows

    def literal(self, value):
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            text = str(value)
            return text if self.rng.random() < 0.3 else text.lower()
        if isinstance(value, list):
            return "[" + ", ".join(self.literal(v) for v in value) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.literal(k)}: {self.literal(v)}" for k, v in value.items()) + "}"
        return repr(value)

    def text(self, value):
        quote = self.rng.choice("'\"")
        out = value.replace("\\", "\\\\").replace(quote, "\\" + quote)
        if self.rng.random() < 0.8:
            out = out.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
        if self.rng.random() < 0.1:
            out = "".join(c if ord(c) < 127 else f"\\u{ord(c):04x}" if ord(c) < 65536 else f"\\U{ord(c):08x}" for c in out)
        return quote + out + quote
