using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Templates that would run without end, or fill the memory, if nothing stopped them.</summary>
internal static class TemplateBombs
{
    private static readonly string[] Huge = ["10 ** 9", "10 ** 12", "2147483647", "9223372036854775807", "10 ** 7", "1000000", "10 ** 18",
        "-9223372036854775807 - 1"];

    // # stands for a huge number, @ for a value that is large already.
    private static readonly string[] Single =
    [
        "{{ 'ab' * (#) }}", "{{ [1] * (#) }}", "{{ range(#) | list }}", "{{ range(#) | sum }}", "{{ 'a'.center(#) }}",
        "{{ 'a' | center(#) }}", "{{ 'a\\nb' | indent(#) }}", "{{ 'a b c' | wordwrap(#) }}", "{{ 'a' | truncate(#) }}",
        "{{ [1, 2] | batch(#, 0) | list }}",
        "{{ [1, 2] | slice(#) | list }}", "{{ 1.5 | round(#) }}", "{{ '%1000000000d' % 1 }}", "{{ '%1000000000d' | format(1) }}",
        "{{ '%.1000000000f' % 1.5 }}", "{{ '%*d' % (1000000000, 1) }}", "{{ '{:1000000000}'.format(1) }}", "{{ [1] | tojson(indent=#) }}",
        "{{ 'a'.zfill(#) }}",
        "{{ 'a'.ljust(#) }}", "{{ 'a'.rjust(#, 'x') }}", "{{ 'a\\tb'.expandtabs(#) }}", "{{ (#) ** (#) }}", "{{ 2 ** (2 ** 40) }}",
        "{{ (#) // -1 }}", "{{ (#) % -1 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 / 0 }}", "{{ -(#) }}", "{{ (#) * (#) }}",
        "{{ (#) | abs }}",
        "{{ [1, 2, 3][::#] }}", "{{ [1, 2, 3][#:] }}", "{{ 'abc'[-(#)::-(#)] }}", "{{ (#) | string | length }}",
        "{{ (#) | filesizeformat }}", "{{ range(0, #, 1) | last }}", "{{ range(0, #, -1) | list }}", "{{ range(0, 10, 0) }}",
        "{{ 1 in range(#) }}", "{{ lipsum(#) }}",
        "{{ @ | join(@) }}", "{{ @ | map('upper') | join }}", "{{ @ | sort | unique | list | length }}", "{{ @ | groupby('x') | list }}",
        "{{ @ | tojson | tojson | tojson | tojson }}", "{{ @ | string | replace('', @ | string) }}", "{{ (@ | string).split('') }}",
        "{{ (@ | string) | urlencode | urlencode | urlencode }}",
        "{{ @ | pprint }}", "{{ @ | xmlattr }}", "{{ @ | escape | escape | escape | striptags }}", "{{ @ | sum(start=@) }}", "{{ @ == @ }}",
        "{{ @ < @ }}", "{{ @ in @ }}", "{{ @ | reverse | list | last }}", "{{ @ | wordcount }}", "{{ (@ | string) | wordwrap(1) }}",
        "{{ (@ | string) | title | capitalize }}",
        "{{ (@ | string) | urlize }}", "{{ (@ | string).count('') }}", "{{ (@ | string).replace('1', @ | string) }}",
        "{{ (@ | string).join(@ | map('string')) }}", "{% for c in @ | string %}{% for d in @ | string %}{{ c }}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% call f() %}{{ f() }}{% endcall %}{% endcall %}",
        "{% set l = [] %}{{ l.append(l) }}{{ l }}{{ l | tojson }}{{ l == l }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}{{ ns.x.x.x }}{{ ns | tojson }}",
        "{% set d = {} %}{{ d.update({'d': d}) }}{{ d }}{{ d | tojson }}", "{% set d = {} %}{% set d.d = d %}{{ d }}",
        "{% for x in messages %}{{ messages.append(x) }}{% endfor %}",
        "{% set c = cycler(1) %}{% for x in range(#) %}{{ c.next() }}{% endfor %}", "{% for x in range(#) %}{% endfor %}",
        "{% for a in range(3000) %}{% for b in range(3000) %}{% endfor %}{% endfor %}",
    ];

    private static readonly string[] Steps =
    [
        "ns.x ~ ns.x", "[ns.x, ns.x]", "ns.x + ns.x", "ns.x * 2", "{'a': ns.x, 'b': ns.x}", "(ns.x | string).replace('a', ns.x | string)",
        "ns.x | tojson", "ns.x | string | escape", "(ns.x | string) | indent(8, true)", "[ns.x] | join(ns.x | string)", "ns.x | list",
        "(ns.x, ns.x)",
        "ns.x ** 2", "'%s%s' % (ns.x, ns.x)", "ns.x | string | urlencode", "'{0}{0}'.format(ns.x)",
        "(ns.x | string).center((ns.x | string | length) * 3)", "[ns.x] * 3", "ns.x | string | reverse",
    ];

    private static readonly string[] Starts = ["'aaaaaaaa'", "[1]", "'<a&b>'", "2", "{'a': 1}", "messages", "'a\\nb\\n'"];

    private static readonly string[] Ends = ["{{ ns.x }}", "{{ ns.x | length }}", "{{ ns.x == ns.x }}", "{{ ns.x | tojson }}",
        "{{ ns.x | string | length }}", "{{ ns.x in [ns.x] }}", "{{ [ns.x, ns.x] | unique | list | length }}", "{{ [ns.x, ns.x] | sort }}",
        "", "{{ ns.x | pprint }}", "{{ {ns.x: 1} }}"];

    private static readonly string[] Large = ["(range(20000) | list)", "('ab ' * 200000)", "([[1, 2]] * 50000)", "(['x' * 1000] * 5000)",
        "([{'x': 1}] * 20000)", "({'a': range(3000) | list})", "('<&>' * 100000)", "('a\\n' * 100000)"];

    private static readonly (string Open, string Close)[] Nests =
    [
        ("{{ (", ""), ("{{ [", ""), ("{{ -", ""), ("{% if 1 %}", ""), ("{% for x in [1] %}", "{% endfor %}"), ("{% if 1 %}", "{% endif %}"),
        ("{{ not ", ""), ("{% set x %}", "{% endset %}"), ("{% filter upper %}", "{% endfilter %}"), ("{% macro f() %}", "{% endmacro %}"),
        ("{% with %}", "{% endwith %}"),
        ("{{ {'a': ", ""), ("{# ", ""), ("{% raw %}", ""), ("{% generation %}", "{% endgeneration %}"),
    ];

    public static string Make(FuzzRandom random) => random.Below(8) switch
    {
        0 or 1 or 2 => Filled(random, random.Pick(Single)),
        3 => string.Concat(Enumerable.Range(0, random.Between(1, 3)).Select(_ => Filled(random, random.Pick(Single)))),
        4 or 5 => Growing(random),
        6 => Nested(random),
        _ => $"{{{{ {string.Join(random.Pick("+", "~", " or ", " and ", ",", "|string|", "==", " if 1 else ", ".a.", "[0]", " is defined and not "), Enumerable.Repeat(random.Pick("1", "'a'", "x", "string"), random.Between(100, 20000)))} }}}}",
    };

    private static string Filled(FuzzRandom random, string template)
    {
        while (template.IndexOfAny(['#', '@']) is >= 0 and int at)
        {
            template = template[..at] + random.Pick(template[at] == '#' ? Huge : Large) + template[(at + 1)..];
        }
        return template;
    }

    private static string Growing(FuzzRandom random) =>
        $"{{% set ns = namespace(x={random.Pick(Starts)}) %}}{{% for i in range({random.Between(8, 80)}) %}}{{% set ns.x = " +
        $"{random.Pick(Steps)} %}}{(random.OnceIn(3) ? $"{{% set ns.x = {random.Pick(Steps)} %}}" : "")}{{% endfor %}}{random.Pick(Ends)}";

    private static string Nested(FuzzRandom random)
    {
        var (open, close) = random.Pick(Nests);
        int depth = random.Pick(50, 500, 5000, 50000);
        return string.Concat(Enumerable.Repeat(open, depth)) + random.Pick("1", "") + string.Concat(Enumerable.Repeat(close, depth));
    }
}
