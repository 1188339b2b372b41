namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>Constructs that transformers' environment takes; what is expected is what Jinja 3.1 gives.</summary>
public sealed class JinjaConstructTests
{
    [TestCase("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}", "3False")]
    [TestCase("{% macro f(x) %}<{{ caller(x, 2) }}>{% endmacro %}{% call(a, b) f(1) %}{{ a }}{{ b }}{% endcall %}", "<12>")]
    [TestCase("{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, a=2) }}", "(1,){'a': 2}")]
    [TestCase("{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}]}] recursive %}{{ n.v }}@{{ loop.depth }}({{ loop(n.c) }}){% endfor %}",
        "1@1(2@2())")]
    [TestCase("{% for k, g in [{'t': 'b', 'n': 1}, {'t': 'a', 'n': 2}, {'t': 'B', 'n': 3}] | groupby('t') %}{{ k }}{{ g | " +
        "map(attribute='n') | list }}{% endfor %}", "a[2]b[1, 3]")]
    [TestCase("{{ 'foo bar baz qux' | truncate(9) }}|{{ 'foo bar baz qux' | truncate(9, true) }}|{{ 'foo bar baz qux' | truncate(11) }}",
        "foo...|foo ba...|foo bar baz qux")]
    [TestCase("{{ 'a' | truncate(9223372036854775807) }}", "a")]
    [TestCase("{% filter upper | replace('A', 'o') %}banana{% endfilter %}", "BoNoNo")]
    [TestCase("{% set x | trim | title %} a b {% endset %}[{{ x }}]", "[A B]")]
    [TestCase("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}{{ j() }}",
        "aba|")]
    [TestCase("{% block b %}x{{ messages | length }}{% endblock b %}", "x0")]
    [TestCase("{% autoescape true %}{{ '<a>' }}{{ '<b>' | safe }}{% endautoescape %}{{ '<c>' }}", "&lt;a&gt;<b><c>")]
    [TestCase("{% print 1, 'a' %}{% if 1: %}y{% endif %}", "1ay")]
    [TestCase("{{ range(9)[2:8:3] | list }}{{ {'a': 1}.items() }}{{ (1, 2) == [1, 2] }}", "[2, 5]dict_items([('a', 1)])False")]
    [TestCase("{% set ns = namespace(go=true) %}{% for i in range(5) if ns.go %}{{ i }}{% if i == 1 %}{% set ns.go = false %}{% endif " +
        "%}{% endfor %}", "01")]
    [TestCase("{% for i in [1] %}{{ messages }}{% endfor %}{% set messages = 1 %}", "")]
    [TestCase("{% for i in [1, 2] %}{% break %}{% else %}never done{% endfor %}", "never done")]
    [TestCase("{{ [].append is defined }}[{{ [].append }}]{{ x }}{{ {'pop': 1}.pop }}{{ {'pop': 1}['pop'] }}", "False[]1")]
    [TestCase("{{ '\\x41\\u00e9\\101' }}{{ 0x1F }}{{ 0b101 }}{{ 'ΑΣ' | lower }}{{ 'ß' | upper }}", "AéA315αςSS")]
    [TestCase("{{ '{:>6.2f}|{:,}|{:#x}|{!r}'.format(3.14159, 1234567, 255, 'a') }}", "  3.14|1,234,567|0xff|'a'")]
    [TestCase("{{ '%(a)s %(b)05d' % {'a': 1, 'b': 42} }}{{ {1: 'a', true: 'b', none: 2} }}", "1 00042{1: 'b', None: 2}")]
    public void A_construct_gives_what_jinja_gives(string template, string expected) =>
        Assert.That(ChatTemplate.Parse(template).Render([]), Is.EqualTo(expected));

    [TestCase("{% include 'x' %}", "include")]
    [TestCase("{% do [].append(1) %}", "do")]
    [TestCase("{{ [1] | random }}", "random")]
    [TestCase("{{ lipsum() }}", "lipsum")]
    [TestCase("{% set x = [] %}{{ x.append(1) }}", "append")]
    [TestCase("{{ x.y }}", "'x' is undefined")]
    [TestCase("{{ {}.a.b }}", "has no 'a'")]
    [TestCase("{{ (-8) ** 0.5 }}", "complex")]
    [TestCase("{{ [1] | map('string') }}", "address")]
    [TestCase("{% macro f() %}{% endmacro %}{{ f(1) }}", "takes 0 arguments")]
    [TestCase("{{ self.x() }}", "self")]
    [TestCase("{% for i in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "break")]
    [TestCase("{{ 'a' | nope }}", "nope")]
    [TestCase("{{ [1, 'a'] | sort }}", "order")]
    [TestCase("{{ 'a' | center(width=3, height=4) }}", "height")]
    public void What_jinja_or_this_library_does_not_take_is_named(string template, string named) =>
        Assert.That(() => ChatTemplate.Parse(template).Render([]), Throws.InstanceOf<BadInputException>().With.Message.Contains(named));

    [TestCase("{{ 'x' * 10 ** 9 }}")]
    [TestCase("{{ range(10 ** 12) }}")]
    [TestCase("{{ 2 ** (10 ** 9) }}")]
    [TestCase("{{ 9 ** 9 ** 9 ** 9 ** 9 }}")]
    [TestCase("{{ '%1000000000d' % 1 }}")]
    [TestCase("{{ '{:1000000000}'.format(1) }}")]
    [TestCase("{{ '%.1000000000f' % 1.5 }}")]
    [TestCase("{{ 'a'.zfill(10 ** 11) }}{{ 'a\t'.expandtabs(10 ** 11) }}")]
    [TestCase("{{ 'a' | indent(10 ** 11) }}")]
    [TestCase("{{ [1] | batch(10 ** 11, 0) | list }}")]
    [TestCase("{{ [1] | slice(10 ** 11) | list }}")]
    [TestCase("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}")]
    [TestCase("{% set ns = namespace(x=3) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}")]
    [TestCase("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    [TestCase("{% set ns = namespace(x=0) %}{% for i in range(99) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}")]
    public void Work_without_end_is_refused(string template) =>
        Assert.That(() => ChatTemplate.Parse(template).Render([]), Throws.InstanceOf<BadInputException>());
}
