"""Random templates in the manner of those that come with chat models: loops over messages, tools, parts of contents, flags in namespaces."""

import expressions
import values

NAMES = ["get_weather", "add", "search", "日付"]
TYPES = ["string", "integer", "number", "boolean", "array", "object"]
TEXTS = ["Hi", "What is 2 + 2?", " padded ", "two\nlines", "日本語 😀", "<think>\nwhy\n</think>\n\nanswer", "<tool_response>ok</tool_response>", "", "a \"quoted\" one",
         "it's", "1e-7", "line\n\n", "</think>x", "[INST] no", "# title\n* item"]


class Chats(expressions.Expressions):
    def content(self):
        if self.rng.random() < 0.25:
            return [self.rng.choice([{"type": "text", "text": self.rng.choice(TEXTS)}, {"type": "image"}, {"type": "image", "url": "x.png"}])
                    for _ in range(self.rng.randint(0, 3))]
        return None if self.rng.random() < 0.05 else self.rng.choice(TEXTS)

    def arguments(self):
        drawn = self.values
        return {self.rng.choice(["city", "unit", "n", "x", "flag"]): self.rng.choice([drawn.str(), drawn.int(), drawn.float(), drawn.bool(), None, drawn.list(1), drawn.dict(1)])
                for _ in range(self.rng.randint(0, 3))}

    def message(self, role):
        message = {"role": role, "content": self.content()}
        if role == "assistant" and self.rng.random() < 0.4:
            message["tool_calls"] = [{"id": f"call{i}", "type": "function", "function": {"name": self.rng.choice(NAMES), "arguments": self.arguments()}}
                                     for i in range(self.rng.randint(1, 2))]
        if role == "assistant" and self.rng.random() < 0.2:
            message["reasoning_content"] = self.rng.choice(TEXTS)
        if role == "tool" and self.rng.random() < 0.5:
            message["name"] = self.rng.choice(NAMES)
        return message

    def schema(self, depth=2):
        kind = self.rng.choice(TYPES if depth else TYPES[:4])
        schema = {"type": kind if self.rng.random() < 0.9 else [kind, "null"]}
        if self.rng.random() < 0.7:
            schema["description"] = self.rng.choice(["What it is", "Größe", "a\nb", 'The "x"'])
        if kind == "array":
            schema["items"] = self.schema(depth - 1)
        elif kind == "object":
            schema["properties"] = {k: self.schema(depth - 1) for k in self.rng.sample(["a", "b", "city", "unit", "items", "keys"], self.rng.randint(0, 2))}
        elif self.rng.random() < 0.2:
            schema["enum"] = [self.values.str() for _ in range(2)]
        if self.rng.random() < 0.2:
            schema["default"] = self.values.value(0)
        return schema

    def tool(self):
        parameters = {"type": "object", "properties": {k: self.schema() for k in self.rng.sample(["city", "unit", "n", "x", "values"], self.rng.randint(0, 3))}}
        if self.rng.random() < 0.7:
            parameters["required"] = list(parameters["properties"])[:1]
        return {"type": "function", "function": {"name": self.rng.choice(NAMES), "description": "Does it.", "parameters": parameters}}

    def context(self):
        turns = [self.message("system")] if self.rng.random() < 0.5 else []
        for _ in range(self.rng.randint(1, 3)):
            turns += [self.message("user"), self.message("assistant")]
            if self.rng.random() < 0.3:
                turns += [self.message("tool"), self.message("assistant")]
        if self.rng.random() < 0.4:
            turns.append(self.message("user"))
        tools = [self.tool() for _ in range(self.rng.randint(1, 2))] if self.rng.random() < 0.5 else None
        return {"messages": turns, "tools": tools, "documents": None, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": self.rng.random() < 0.5,
                "enable_thinking": self.rng.random() < 0.5}

    def tag(self, text):
        return self.rng.choice(["{%- ", "{%- ", "{% "]) + text + self.rng.choice([" %}", " %}", " -%}"])

    def put(self, text):
        return self.rng.choice(["{{- ", "{{- ", "{{ "]) + text + self.rng.choice([" }}", " }}", " -}}"])

    def line(self):
        return self.rng.choice(["\n", "\n    ", "", "\n\n", " "])

    def one(self, *choices):
        return self.rng.choice(choices)

    def join(self, *parts):
        return "".join(part + self.line() for part in parts)

    def system(self):
        return self.one(
            lambda: self.join(self.tag("if messages[0].role == 'system'"), self.tag("set system = messages[0].content"), self.tag("set turns = messages[1:]"),
                              self.tag("else"), self.tag(f"set system = {self.one(repr('You help.'), 'none', repr(''))}"), self.tag("set turns = messages"), self.tag("endif")),
            lambda: self.join(self.tag("set system, turns = (messages[0]['content'] if messages[0]['role'] == 'system' else ''), messages")),
            lambda: self.join(self.tag("set system = (messages|selectattr('role', 'equalto', 'system')|map(attribute='content')|list|first)|default('-', true)"),
                              self.tag("set turns = messages|rejectattr('role', 'eq', 'system')|list")),
            lambda: self.join(self.tag("set turns = messages"), self.tag("set system %s" % self.one("", "| trim")), "You are one.\nBe kind.", self.tag("endset")),
        )()

    def head(self):
        return self.one(
            lambda: self.put("bos_token ~ '<|system|>\\n' ~ system ~ '\\n'"),
            lambda: self.put("'[' + (system|string) + ']'"),
            lambda: self.join(self.tag("if system"), self.put("'<<SYS>>\\n' ~ system|trim ~ '\\n<</SYS>>'"), self.tag("endif")),
            lambda: self.put("strftime_now('%s')" % self.one("%d %b %Y", "%Y-%m-%d", "%A, %B %-d, %Y", "%H:%M:%S", "%j %U %y", "%I %p", "%e")),
        )()

    def tools(self):
        macro = self.one(
            "{%- macro render(spec, depth=0) -%}{%- if spec.type == 'array' -%}{{ render(spec['items'], depth + 1) }}[]{%- elif spec.type == 'object' -%}{{ '{' }}"
            "{%- for k, v in spec.properties.items() -%}{{ k }}: {{ render(v, depth + 1) }}{{ ', ' if not loop.last }}{%- endfor -%}{{ '}' }}{%- elif spec.type is string -%}"
            "{{ spec.type }}{%- else -%}{{ spec.type|join(' | ') }}{%- endif -%}{%- if spec.enum %} ({{ spec.enum|join(', ') }}){%- endif -%}{%- endmacro %}",
            "{%- macro render(p) %}{% set t = p.type if p.type is string else p.type[0] %}{% if p.enum is defined %}{{ p.enum|map('tojson')|join('|') }}"
            "{% elif t in ['array'] and p['items'] %}List[{{ render(p['items']) }}]{% else %}{{ {'string': 'str', 'integer': 'int', 'number': 'float'}.get(t, t|title) }}"
            "{% endif %}{% endmacro %}",
            "{%- macro render(p) -%}{{ p|tojson(" + self.one("", "indent=2", "indent=4", "separators=(',', ':')", "sort_keys=true") + ") }}{%- endmacro -%}",
            "{%- macro render(p) -%}{%- for key in p.keys()|sort %}{{ key|upper }}={{ p[key]|string|truncate(20, true) }};{% endfor -%}{%- endmacro -%}",
        )
        each = self.one(
            lambda: self.put(f"t | tojson({self.one('', 'indent=4', 'indent=2', 'indent=none', 'ensure_ascii=False')})"),
            lambda: self.put("'- ' ~ t.function.name ~ ': ' ~ t.function.description")
            + "{%- for name, p in t.function.parameters.properties" + self.one(".items()", "|items", "|dictsort") + " %}{{ '\\n  ' ~ name ~ ' ' }}{{ render(p) }}"
            + "{% if name in t.function.parameters.required %}*{% endif %}{%- endfor %}",
            lambda: self.put("t['function']['name'] + '(' + t['function']['parameters']['properties'].keys()|join(', ') + ')'"),
            lambda: self.tag("set f = t.function if t.function is defined else t") + self.put("f.name|e ~ f.parameters.get('required', [])|length"),
        )()
        loop = self.tag("for t in tools") + self.line() + each + self.line() + self.put(self.one("'\\n'", "'\\n' if not loop.last else '.'", "loop.index ~ '/' ~ loop.length")) + self.tag("endfor")
        return macro + self.line() + self.tag(self.one("if tools", "if tools is not none", "if tools is defined and tools", "if tools is iterable and tools|length > 0")) + loop + self.tag("endif")

    def content_of(self, name):
        return self.one(
            f"{name}.content", f"{name}['content']|trim", f"({name}.content or '')", f"({name}.content|string).strip()",
            f"({name}.content if {name}.content is string else '')", f"({name}.content|default('', true)|string).split('</think>')[-1].lstrip('\\n')",
            f"show({name}.content)", f"show({name}.content)", f"show({name}['content'])|replace('\\n', ' ')", f"show({name}.content)|indent(2)",
        )

    def show(self):
        return self.one(
            "{%- macro show(c) -%}{%- if c is string -%}{{ c }}{%- elif c is iterable and c is not mapping -%}{%- for part in c -%}{%- if part.type == 'text' -%}{{ part.text }}"
            "{%- elif 'image' in part or part.type == 'image' -%}{{ '<image>' }}{%- endif -%}{%- endfor -%}{%- else -%}{{ '?' }}{%- endif -%}{%- endmacro -%}",
            "{%- macro show(c) -%}{%- if c is not string and c -%}{{ c|selectattr('type', 'equalto', 'text')|map(attribute='text')|join('\\n') }}{%- else -%}{{ c if c is not none }}"
            "{%- endif -%}{%- endmacro -%}",
            "{%- macro show(c, count=none) -%}{%- set ns = namespace(images=0, out='') -%}{%- if c is string or c is none -%}{%- set ns.out = c -%}{%- else -%}{%- for p in c -%}"
            "{%- if p['type'] == 'image' -%}{%- set ns.images = ns.images + 1 -%}{%- set ns.out = ns.out ~ '<img' ~ ns.images ~ '>' -%}{%- else -%}{%- set ns.out = ns.out + p['text'] -%}"
            "{%- endif -%}{%- endfor -%}{%- endif -%}{{ ns.out }}{%- endmacro -%}",
        )

    def calls(self):
        return self.one(
            lambda: self.tag("if m.tool_calls is defined and m.tool_calls") + self.tag("for call in m.tool_calls")
            + self.put("'<tool_call>' ~ {'name': call.function.name, 'arguments': call.function.arguments}|tojson ~ '</tool_call>'") + self.tag("endfor") + self.tag("endif"),
            lambda: self.tag("for call in m.tool_calls or []") + self.tag("set call = call.function") + self.put("call.name")
            + "{%- for k, v in call.arguments|items %}{{ k }}={{ v|tojson if v is mapping or (v is iterable and v is not string) else v|string }}{{ ',' if not loop.last }}{% endfor -%}" + self.tag("endfor"),
            lambda: self.tag("if 'tool_calls' in m") + self.put("m.tool_calls|map(attribute='function')|map(attribute='name')|join(' + ')")
            + self.put("(m['tool_calls'][0]['function']['arguments'])|tojson(indent=4)") + self.tag("endif"),
            lambda: "",
        )()

    def turn(self):
        c = self.content_of("m")
        return self.one(
            lambda: self.put(f"'<|im_start|>' + m.role + '\\n' + ({c}|string) + '<|im_end|>' + '\\n'") + self.calls(),
            lambda: self.tag("if m.role == 'user'") + self.put(f"'[INST] ' ~ {c} ~ ' [/INST]'") + self.tag("elif m.role == 'assistant'") + self.tag("generation")
            + self.put(f"' ' ~ {c} ~ eos_token") + self.calls() + self.tag("endgeneration") + self.tag("else") + self.put(f"m.role|upper ~ ': ' ~ {c}") + self.tag("endif"),
            lambda: self.tag("if loop.first and system") + self.put("system ~ '\\n\\n'") + self.tag("endif") + self.put(f"m['role']|capitalize ~ ':' ~ {c}") + self.calls()
            + self.tag("if not loop.last") + self.put("'\\n'") + self.tag("endif"),
            lambda: self.tag("if m.role == 'tool' and loop.previtem and loop.previtem.role != 'tool'") + self.put("'<tool>'") + self.tag("endif")
            + self.put(f"{c}") + self.tag("if m.role == 'tool' and (loop.last or loop.nextitem.role != 'tool')") + self.put("'</tool>'") + self.tag("endif") + self.calls(),
            lambda: self.tag("set role = {'user': 'H', 'assistant': 'A'}.get(m.role, m.role)") + self.tag("if m.role == 'system'") + self.tag("continue") + self.tag("endif")
            + self.put(f"role ~ '> ' ~ {c}") + self.calls() + self.tag("if loop.index0 > 5") + self.tag("break") + self.tag("endif"),
            lambda: self.tag("if (m.role == 'user') != (loop.index0 % 2 == 0)") + self.put(self.one("raise_exception('Roles must alternate')", "'!'", "'?' ~ loop.index"))
            + self.tag("endif") + self.put(c),
            lambda: self.tag("set content = %s" % c) + self.tag("if '</think>' in (content|string)") + self.tag("set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1]")
            + self.tag("set content = content.split('</think>')[-1].lstrip('\\n')") + self.tag("endif") + self.tag("if loop.index0 > ns.last and reasoning")
            + self.put("'<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n'") + self.tag("endif") + self.put("content"),
            lambda: self.tag("if m.reasoning_content is string and enable_thinking") + self.put("m.reasoning_content|trim") + self.tag("endif") + self.put(c) + self.calls(),
        )()

    def scan(self):
        return self.one(
            lambda: self.join(self.tag("set ns = namespace(last=messages|length - 1, looking=true)"), self.tag("for x in messages[::-1]"), self.tag("set index = (messages|length - 1) - loop.index0"),
                              self.tag("if ns.looking and x.role == 'user' and not (x.content is string and x.content.startswith('<tool_response>'))"),
                              self.tag("set ns.looking = false"), self.tag("set ns.last = index"), self.tag("endif"), self.tag("endfor")),
            lambda: self.join(self.tag("set ns = namespace(last=-1)"), self.tag("for x in messages if x.role == 'user'"), self.tag("set ns.last = loop.index0"), self.tag("endfor"), self.put("ns.last")),
            lambda: self.join(self.tag("set ns = namespace(last=(messages|map(attribute='role')|list).index('user'), found=false)")),
        )()

    def prompt(self):
        return self.tag("if add_generation_prompt") + self.put(self.one("'<|im_start|>assistant\\n'", "'A:' ~ ('<think>\\n\\n</think>' if not enable_thinking)", "eos_token ~ '[' ~ messages|length ~ ']'")) + self.tag(
            "endif")

    def template(self):
        loop = self.tag(self.one("for m in turns", "for m in turns", "for m in messages", "for m in messages if m.content", "for m in turns[1:]", "for m in (turns|list)"))
        parts = [self.show(), self.scan(), self.system(), self.head()]
        if self.rng.random() < 0.7:
            parts.append(self.tools())
        parts += [loop, self.turn(), self.tag("endfor"), self.prompt()]
        return self.join(*parts).replace(expressions.QUOTE, '"'), self.context()
