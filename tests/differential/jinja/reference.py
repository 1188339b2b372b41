"""Renders templates with Jinja2 set up as transformers sets it up for chat templates."""

import json
from datetime import datetime

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

# strftime_now reads this moment.
NOW = datetime(2024, 7, 6, 15, 4, 5)


class Generation(jinja2.ext.Extension):
    """The tag that marks what an assistant says; it writes its block as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def make_environment():
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    return environment


ENVIRONMENT = make_environment()


def render(template, context):
    """The text, or None and the error."""
    try:
        return ENVIRONMENT.from_string(template).render(**context), None
    except Exception as error:  # Whatever goes wrong in Python is a refusal.
        return None, f"{type(error).__name__}: {error}"[:120]


def is_stable(text):
    """Whether another run of Python prints the same: addresses and random values differ."""
    return " at 0x" not in text
