namespace PeftCore.Tokenizers.Tests.Chat;

public sealed class HostileTemplateTests
{
    private static readonly ChatMessage[] Messages = [new("user", "Hi"), new("assistant", "Ho")];

    [TestCase("{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}", TestName = "endless_loops")]
    [TestCase("{{ range(10 ** 18) }}", TestName = "a_huge_range")]
    [TestCase("{{ 'a' * 10 ** 12 }}", TestName = "a_huge_string")]
    [TestCase("{{ [1] * 10 ** 12 }}", TestName = "a_huge_list")]
    [TestCase("{{ 10 ** (10 ** 10) }}", TestName = "a_huge_number")]
    [TestCase("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", TestName = "endless_recursion")]
    [TestCase("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        TestName = "doubling")]
    [TestCase("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}",
        TestName = "replacing_by_itself")]
    [TestCase("{% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        TestName = "nesting_lists")]
    [TestCase("{% for i in range(100000) %}{{ " +
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}", TestName = "long_output")]
    [TestCase("{% set n = namespace(x=[1], y=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% " +
        "endfor %}{{ n.x == n.y }}",
        TestName = "comparing_shared_lists")]
    [TestCase("{{ (['x' * 10 ** 6] * 10000) | map('upper') | list | length }}", TestName = "copying_many_strings")]
    [TestCase("{{ ([[['x' * 10 ** 6]]] * 10000) | join }}", TestName = "printing_many_lists")]
    [TestCase("{{ 'a'.center(10 ** 12) }}{{ 'a' | center(10 ** 12) }}", TestName = "wide_padding")]
    [TestCase("{{ ('<&>' * 100000) | wordwrap(1) }}", TestName = "wrapping_a_long_word")]
    [TestCase("{{ ('ab ' * 200000) | wordwrap(1) }}", TestName = "wrapping_many_words")]
    [TestCase("{{ ('[1, 2], ' * 100000) | urlize }}", TestName = "linking_many_words")]
    [TestCase("{{ [1, 2] | slice(1000000) | list }}", TestName = "many_empty_slices")]
    [TestCase("{{ ('ab ' * 200000) | map('upper') | join }}", TestName = "filtering_every_letter")]
    public void What_would_not_end_is_stopped(string template) =>
        Assert.That(() => ChatTemplate.Parse(template).Render(Messages), Throws.InstanceOf<BadInputException>());

    [Test]
    public void Deeply_nested_templates_are_refused()
    {
        foreach (string? nested in new[] { "{{ " + new string('(', 200_000), "{{ " + new string('-', 200_000) + "1 }}",
            Repeat("{% if 1 %}"), "{{ " + Repeat("not ") + "1 }}" })
        {
            Assert.That(() => ChatTemplate.Parse(nested).Render(Messages), Throws.InstanceOf<BadInputException>());
        }

        static string Repeat(string text) => string.Concat(Enumerable.Repeat(text, 100_000));
    }

    [Test]
    public void A_long_sum_is_evaluated_or_refused()
    {
        string result;
        try
        {
            result = ChatTemplate.Parse("{{ " + string.Concat(Enumerable.Repeat("1+", 100_000)) + "1 }}").Render(Messages);
        }
        catch (BadInputException e)
        {
            result = e.Message;
        }

        Assert.That(result, Is.EqualTo("100001").Or.Contains("nests too deeply"));
    }

    [TestCase("{{ messages.__class__.__mro__ }}")]
    [TestCase("{{ [1].append(2) }}")]
    [TestCase("{% include 'x' %}")]
    [TestCase("{{ x | nofilter }}")]
    [TestCase("{{ x is notest }}")]
    [TestCase("{% if x %}")]
    [TestCase("{% endif %}")]
    [TestCase("{{ 'abc }}")]
    [TestCase("{{ a.b.c }}")]
    [TestCase("{{ 1 / 0 }}")]
    [TestCase("{% break %}")]
    [TestCase("{{ 1 + 'a' }}")]
    public void What_is_not_known_or_not_allowed_is_refused(string template) =>
        Assert.That(() => ChatTemplate.Parse(template).Render(Messages), Throws.InstanceOf<BadInputException>());
}
