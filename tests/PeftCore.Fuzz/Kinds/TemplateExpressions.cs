using System.Text;
using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Templates from the grammar: well-formed, with values, filters and tests that need not fit each other.</summary>
internal static class TemplateExpressions
{
    private static readonly string[] Values =
    [
        "0", "1", "-1", "2.5", "1e308", "9223372036854775807", "-9223372036854775808", "''", "'a'", "'a b\\nc'", "'%s %d'", "'😀é'", "none",
        "true", "false", "[]", "[1, 2, 3]", "['b', 'a', 'B']", "{}", "{'a': 1, 'b': 2}", "(1, 2)", "messages", "messages[0]",
        "missing", "missing.x", "range(5)", "tools", "loop", "namespace(a=1)", "[[1, 2], [3]]", "[none, 1, 'a']", "[{'a': 1}, {'a': 2}]",
        "bos_token", "x",
    ];

    private static readonly string[] Filters =
    [
        "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat", "first",
        "float", "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list", "lower",
        "map", "max", "min", "pprint", "random", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr",
        "slice", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode",
        "urlize", "wordcount", "wordwrap", "xmlattr", "from_json", "nofilter",
    ];

    private static readonly string[] Tests =
    [
        "boolean", "callable", "defined", "divisibleby(2)", "eq(1)", "equalto('a')", "escaped", "even", "false", "filter", "float", "ge(1)",
        "gt 1", "in [1]", "integer", "iterable", "le 1", "lower", "lt 1", "mapping", "ne 1", "none", "number", "odd", "sameas none",
        "sequence", "string", "test", "true", "undefined", "upper", "notest", "divisibleby(0)",
    ];

    private static readonly string[] Methods =
    [
        "strip()", "split()", "split('a')", "split('')", "upper()", "items()", "keys()", "get('a')", "append(1)", "replace('a', 'bb')",
        "replace('', 'x', 5)", "startswith('a')", "format(1)", "join(['a'])", "title()", "find('a')", "count('')", "rsplit(',', 1)",
        "zfill(20)",
        "center(9)", "splitlines()", "encode()", "pop()", "update(a=1)", "__class__", "isdigit()", "lstrip('ab')", "removeprefix('a')",
        "index('q')", "ljust(3, '')", "expandtabs()", "translate({})", "partition('')",
    ];

    private static readonly string[] Arguments =
        ["1", "0", "-1", "3", "'a'", "''", "none", "true", "attribute='role'", "attribute='a.b'", "default='x'", "'upper'", "1.5", "-100",
            "reverse=true", "indent=2", "width=3", "messages", "case_sensitive=true", "x", "", "*[1]", "**{'a': 1}", "start=5", "'floor'"];

    private static readonly string[] Operators = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or",
        "in", "not in"];

    public static string Template(FuzzRandom random)
    {
        var text = new StringBuilder();
        for (int i = random.Between(1, 4); i > 0; i--)
        {
            Statement(random, text, 0);
        }
        return text.ToString();
    }

    private static void Statement(FuzzRandom random, StringBuilder text, int depth)
    {
        switch (random.Below(depth > 3 ? 4 : 12))
        {
            case 4:
                Block(random, text, depth, $"{{% if {Expression(random, 2)} %}}", random.OnceIn(2) ? "{% else %}{% endif %}"
                    : "{% endif %}");
                break;
            case 5:
                Block(random, text, depth,
                    $"{{% for x in {Expression(random, 2)}{(random.OnceIn(4) ? $" if " +
                    $"{Expression(random, 1)}" : "")}{(random.OnceIn(5) ? " recursive" : "")} %}}", "{% endfor %}");
                break;
            case 6:
                text.Append($"{{% set {random.Pick("x", "y", "x, y", "ns.a", "messages")} = {Expression(random, 3)} %}}");
                break;
            case 7:
                Block(random, text, depth, $"{{% with x = {Expression(random, 2)} %}}", "{% endwith %}");
                break;
            case 8:
                Block(random, text, depth, $"{{% macro f(x, y={Expression(random, 1)}) %}}", "{% endmacro %}{{ f(1) }}");
                break;
            case 9:
                Block(random, text, depth, $"{{% filter {random.Pick(Filters)} %}}", "{% endfilter %}");
                break;
            case 10:
                Block(random, text, depth, "{% generation %}", "{% endgeneration %}");
                break;
            case 11:
                Block(random, text, depth, "{% set y %}", "{% endset %}{{ y }}");
                break;
            default:
                text.Append($"{{{{ {Expression(random, 4)} }}}}");
                break;
        }
    }

    private static void Block(FuzzRandom random, StringBuilder text, int depth, string open, string close)
    {
        text.Append(open);
        for (int i = random.Between(0, 2); i > 0; i--)
        {
            Statement(random, text, depth + 1);
        }
        text.Append(close);
    }

    private static string Expression(FuzzRandom random, int depth) => depth == 0 ? random.Pick(Values) : random.Below(11) switch
    {
        0 or 1 => $"{Expression(random, depth - 1)} {random.Pick(Operators)} {Expression(random, depth - 1)}",
        2 or 3 => $"{Expression(random, depth - 1)} | {random.Pick(Filters)}{(random.OnceIn(2) ? $"({ArgumentsOf(random)})" : "")}",
        4 => $"{Expression(random, depth - 1)} is {(random.OnceIn(3) ? "not " : "")}{random.Pick(Tests)}",
        5 => $"({Expression(random, depth - 1)}).{random.Pick(Methods)}",
        6 => $"({Expression(random, depth - 1)})[{random.Pick("0", "-1", "1:", ":2", "::-1", "'a'", "::0", "5:1:-1", "99", "x")}]",
        7 => $"[{Expression(random, depth - 1)}, {Expression(random, depth - 1)}]",
        8 => $"{{'a': {Expression(random, depth - 1)}}}",
        9 => $"({Expression(random, depth - 1)} if {Expression(random, depth - 1)} else {Expression(random, depth - 1)})",
        _ => $"{random.Pick("not ", "-", "+", "")}({Expression(random, depth - 1)})",
    };

    private static string ArgumentsOf(FuzzRandom random) => random.OnceIn(3) ? $"{random.Pick(Arguments)}, {random.Pick(Arguments)}"
        : random.Pick(Arguments);
}
