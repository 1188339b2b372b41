using System.Text;
using PeftCore.Fuzz.Inputs;
using PeftCore.Tokenizers;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Templates from tokens in any order, and real ones with small changes.</summary>
internal static class TemplateTexts
{
    private static readonly string[] Parts =
    [
        "{% if ", "{% for m in messages %}", "{% for a, b in ", "{% endfor %}", "{% endif %}", "{% elif ", "{{ ", " }}", "{% set x = ",
        "{% set x %}", "{% endset %}", " %}", "{%- ", " -%}", "{{- ", " -}}", "messages", "[0]", "['role']", ".role",
        ".content", "|", "tojson", "(", ")", "'a'", "\"b\"", "1", "0.5", "{#", "#}", "{% macro f(x, y=1) %}", "{% endmacro %}", "f(1)",
        "{% raw %}", "{% endraw %}", "-", "~", "loop.index", "loop.last", "loop.previtem", " in ", " is ", "not ", " and ",
        " or ", " if ", " else ", "none", "true", "\n", "{", "}", "[", "]", ":", ",", "=", "==", "{% generation %}", "{% endgeneration %}",
        "{% else %}", "*", "**", "//", "%", "99999999999", "1e300", "{% call f() %}", "{% endcall %}", "{% with a=1 %}",
        "{% endwith %}", "{% filter upper %}", "{% endfilter %}", "{% break %}", "{% continue %}", "namespace(x=1)", "range(3)", "loop(",
        " recursive", "caller()", "raise_exception('x')", "strftime_now('%Y')", "tools", "bos_token", "defined", "mapping",
        "x", "é", "😀", "\\n", "\0", "{% do x %}", "{% include 'x' %}", "{% block a %}", "{% endblock %}", "dict(a=1)", "self",
        "cycler(1, 2)", "joiner()", "lipsum()", "# for x in y", "{{'", "'}}",
    ];

    private const string WithTools = """
        {%- if tools %}{{- '<|im_start|>system\n' }}{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}{{- "# Tools\n<tools>" }}
        {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}{{- "\n</tools><|im_end|>\n" }}{%- endif %}
        {%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
        {%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}
        {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}
        {%- for message in messages %}{%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
        {%- if message.role == "assistant" %}{%- set reasoning = '' %}{%- if '</think>' in content %}{%- set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{%- endif %}
        {{- '<|im_start|>' + message.role + '\n' + content }}{%- if message.tool_calls %}{%- for tool_call in message.tool_calls %}{{- tool_call.arguments | tojson(indent=2) }}{%- endfor %}{%- endif %}{{- '<|im_end|>\n' }}
        {%- elif message.role == "tool" %}{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}{{- content }}
        {%- else %}{{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}{%- endif %}{%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}
        """;

    private const string WithMacros = """
        {% macro line(role, text='') %}[{{ role|upper }}] {{ text|trim|default('-', true) }}{{ caller() if caller is defined }}{{ '\n' }}{% endmacro %}
        {%- set total = namespace(n=0) -%}
        {% for m in messages if m.role != 'system' %}{% set total.n = total.n + 1 %}{{ line(m.role, m['content']) }}{% else %}empty{% endfor %}
        {%- for key, value in {'a': 1, 'b': [1.5, none, true]}.items() %}{{ key }}={{ value|tojson }}{% if not loop.last %}, {% endif %}{% endfor %}
        {{ total.n }} of {{ messages|selectattr('role', 'equalto', 'user')|list|length }}, {{ messages|map(attribute='role')|join(',') }}
        """;

    public static IReadOnlyList<string> Real { get; } = [WithTools, WithMacros,
        .. ChatTemplate.BuiltInNames.Select(name => ChatTemplate.BuiltIn(name).Source)];

    public static string Soup(FuzzRandom random)
    {
        var text = new StringBuilder();
        for (int i = random.Between(1, 24); i > 0; i--)
        {
            text.Append(random.Pick(Parts));
        }
        return text.ToString();
    }

    /// <summary>A real template with up to four stretches replaced, doubled or left out.</summary>
    public static string Changed(FuzzRandom random)
    {
        string text = random.Pick(Real);
        for (int i = random.Between(1, 4); i > 0; i--)
        {
            int start = random.Below(text.Length + 1),
                end = Math.Min(text.Length, start + (random.OnceIn(3) ? random.Below(40) : random.Below(4)));
            text = random.Below(4) switch
            {
                0 => text[..start] + text[end..],
                1 => text[..end] + text[start..],
                _ => text[..start] + random.Pick(Parts) + text[(random.OnceIn(2) ? start : end)..],
            };
        }
        return text;
    }
}
