namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>Expressions and white space; what is expected is what Jinja 3.1 gives with the options of chat templates.</summary>
public sealed class JinjaLanguageTests
{
    [TestCase("1 + 2 * 3 - 4 / 2", "5.0")]
    [TestCase("-7 // 2 ~ ' ' ~ -7 % 3 ~ ' ' ~ 7 % -3", "-4 2 -2")]
    [TestCase("2 ** 10 ~ ' ' ~ 2 ** -1 ~ ' ' ~ -2 ** 2", "1024 0.5 4")]
    [TestCase("[1e20, 1.0, 0.1 + 0.2, 1e-5, 1e16, 123456.789e3]", "[1e+20, 1.0, 0.30000000000000004, 1e-05, 1e+16, 123456789.0]")]
    [TestCase("'%s-%d-%.2f-%%' % ('x', 3, 2.5)", "x-3-2.50-%")]
    [TestCase("1 < 2 < 3 and not 1 < 3 < 2", "True")]
    [TestCase("1 == 1.0 and true == 1 and '1' != 1", "True")]
    [TestCase("1 and 0 or 5", "5")]
    [TestCase("'x' if false", "")]
    [TestCase("'a' if 0 else 'b' if 0 else 'c'", "c")]
    [TestCase("'k' in {'k': 1} and 2 not in [1] and 'b' in 'abc'", "True")]
    [TestCase("[1, 'a', none, true, 1.5, {'k': [1]}, (1,), \"it's\"]", "[1, 'a', None, True, 1.5, {'k': [1]}, (1,), \"it's\"]")]
    [TestCase("'abcdef'[1:4] ~ 'abcdef'[::-1] ~ 'abcdef'[-2:] ~ 'abcdef'[:-4] ~ 'abcdef'[::2]", "bcdfedcbaefabace")]
    [TestCase("[[1, 2, 3][1:], [1, 2, 3][-5:2], [1, 2, 3][::-2]]", "[[2, 3], [1, 2], [3, 1]]")]
    [TestCase("'日本😀'[2] ~ '日本😀' | length", "😀3")]
    [TestCase("'  x ' | trim ~ '|' ~ 'xxaxx'.strip('x') ~ '|' ~ ' y'.lstrip() ~ 'z '.rstrip()", "x|a|yz")]
    [TestCase("'a b  c '.split() ~ 'a,b,c'.split(',', 1) ~ 'a b c'.rsplit(' ', 1)", "['a', 'b', 'c']['a', 'b,c']['a b', 'c']")]
    [TestCase("'a\\r\\nb\\n'.splitlines()", "['a', 'b']")]
    [TestCase("'hello World'.title() ~ 'hello World'.capitalize() ~ 'a'.upper() ~ 'B'.lower()", "Hello WorldHello worldAb")]
    [TestCase("'hello'.startswith(('x', 'h')) ~ 'hello'.endswith('lo')", "TrueTrue")]
    [TestCase("'aaa'.replace('a', 'b', 2) ~ 'aaa' | replace('a', 'c')", "bbaccc")]
    [TestCase("'{} and {x}'.format(1, x=2) ~ '-'.join(['a', 'b'])", "1 and 2a-b")]
    [TestCase("[3, 1, 2] | sort ~ ['b', 'A'] | sort ~ [3, 1] | sort(reverse=true)", "[1, 2, 3]['A', 'b'][3, 1]")]
    [TestCase("[{'r': 'x', 'n': 1}, {'r': 'y', 'n': 2}] | selectattr('r', 'equalto', 'y') | map(attribute='n') | list", "[2]")]
    [TestCase("[{'r': 'x'}, {}] | rejectattr('r', 'defined') | list | length", "1")]
    [TestCase("[1, 2, 3, 4] | select('odd') | join('+') ~ [0, 1] | reject | list", "1+3[0]")]
    [TestCase("{'b': 2, 'a': 1} | dictsort ~ {'a': 1}.items() | list", "[('a', 1), ('b', 2)][('a', 1)]")]
    [TestCase("{'a': 1}.get('b', 'z') ~ {'a': 1}.a ~ {'a': 1}.b ~ {'a': 1}['a']", "z11")]
    [TestCase("u | default('d') ~ '' | default('e') ~ '' | default('f', true)", "df")]
    [TestCase("u is defined or none is none and 1 is integer and 'a' is string and {} is mapping and [] is iterable", "True")]
    [TestCase("3 is odd and 4 is divisibleby 2 and 1 is in [1] and not 1 is none", "True")]
    [TestCase("{'a': 1, 'b': [1, 2.5, none, true, 'é\\n\\\"']} | tojson", "{\"a\": 1, \"b\": [1, 2.5, null, true, \"é\\n\\\"\"]}")]
    [TestCase("{'b': 1, 'a': {'c': []}} | tojson(indent=2, sort_keys=true)", "{\n  \"a\": {\n    \"c\": []\n  },\n  \"b\": 1\n}")]
    [TestCase("'é' | tojson(ensure_ascii=true) ~ [1, 2] | tojson(separators=(',', ':'))", "\"\\u00e9\"[1,2]")]
    [TestCase("range(3) | list ~ range(1, 10, 3) | list ~ range(3, 0, -1) | list", "[0, 1, 2][1, 4, 7][3, 2, 1]")]
    [TestCase("'12' | int ~ 'x' | int(5) ~ '1.5' | float ~ 2.5 | round ~ -5 | abs", "1251.52.05")]
    [TestCase("'a\\nb' | indent(2) ~ ('a' ~ 1 ~ none ~ true)", "a\n  ba1NoneTrue")]
    [TestCase("[1, 1, 2] | unique | list ~ [1, 2] | sum ~ [1, 2] | first ~ [1, 2] | last ~ [3, 1] | min ~ [3, 1] | max", "[1, 2]31213")]
    [TestCase("'a' 'b' ~ 1_000 ~ '\\u00e9\\x41'", "ab1000éA")]
    public void An_expression_has_the_value_that_jinja_gives_it(string expression, string expected) =>
        Assert.That(ChatTemplate.Parse("{{ " + expression + " }}").Render([]), Is.EqualTo(expected));

    [TestCase("{% if true %}\nyes\n{% endif %}\nend", "yes\nend")]
    [TestCase("  {% if true %}  \n yes\n  {% endif %}\n", "  \n yes\n")]
    [TestCase("a {%- if true -%} \n b {%- endif %} c", "ab c")]
    [TestCase(" {%+ if true %}x{% endif +%}\ny", " x\ny")]
    [TestCase("{{ 1 }}\n{{ 2 -}}\n  {{- 3 }}\n", "1\n23")]
    [TestCase("a\n  {# comment #}\nb{#- x -#} c", "a\nbc")]
    [TestCase("{% raw %}{{ x }}{% y %}{% endraw %}", "{{ x }}{% y %}")]
    [TestCase("{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}")]
    [TestCase("a\r\n{% set x = 1 %}\r\nb", "a\nb")]
    public void White_space_around_tags_is_kept_or_dropped_as_jinja_does(string template, string expected) =>
        Assert.That(ChatTemplate.Parse(template).Render([]), Is.EqualTo(expected));

    [TestCase("{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "02")]
    [TestCase("{% for k, v in {'a': 1, 'b': 2}.items() if v > 1 %}{{ loop.index }}/{{ loop.length }}{{ k }}{% else %}none{% endfor %}",
        "1/1b")]
    [TestCase("{% for x in [] %}x{% else %}empty{% endfor %}", "empty")]
    [TestCase("{% for x in 'abc' %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{{ loop.cycle('.', ':') }}{% endfor %}",
        "<a>b.a<b>c:b<c>.")]
    [TestCase("{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.first }}{{ loop.last }};{% endfor %}",
        "TrueTrueFalse;FalseFalseFalse;TrueFalseTrue;")]
    [TestCase("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", "21")]
    [TestCase("{% set n = namespace(x=1) %}{% for i in [1] %}{% set n.x = 2 %}{% endfor %}{{ n.x }}", "2")]
    [TestCase("{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "1")]
    [TestCase("{% set a, b = 1, [2] %}{{ b }}{{ a }}", "[2]1")]
    [TestCase("{% set x %}a{{ 1 }}{% endset %}[{{ x }}]", "[a1]")]
    [TestCase("{% set x | upper | trim %} ab {% endset %}[{{ x }}]", "[AB]")]
    [TestCase("{% filter upper %}ab{{ 'c' }}{% endfilter %}", "ABC")]
    [TestCase("{% macro f(a, b='B', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, c=3, b=2) }}", "1BNone|123")]
    [TestCase("{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "3210")]
    [TestCase("{% if u %}a{% elif 1 == 2 %}b{% elif 'x' %}c{% else %}d{% endif %}", "c")]
    public void A_statement_does_what_it_does_in_jinja(string template, string expected) =>
        Assert.That(ChatTemplate.Parse(template).Render([]), Is.EqualTo(expected));
}
