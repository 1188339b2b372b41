namespace PeftCore.Tokenizers.Tests;

/// <summary>What is expected is what Oniguruma 6.9 finds.</summary>
public sealed class RegexPatternTests
{
    [TestCase("\\p{L}+", "aé日𐐀😀b", "aé日𐐀|b")]
    [TestCase("[^\\s\\p{L}\\p{N}]+", "a😀👩‍👧! 1", "😀👩‍👧!")]
    [TestCase(".", "a😀\nb", "a|😀|b")]
    [TestCase("[😀-😂]|\\x{10400}", "😀x😁😅𐐀", "😀|😁|𐐀")]
    [TestCase("\\s+(?!\\S)|\\s+", "a   b  ", "  | |  ")]
    [TestCase("(?i:'s|'ll)", "'S'Ll'ſ'x", "'S|'Ll|'ſ")]
    [TestCase("a++b|a?+a", "aab aa a", "aab|aa")]
    [TestCase("\\p{N}{1,3}", "1234567", "123|456|7")]
    [TestCase("^.|.$", "ab\ncd", "a|b|c|d")]
    [TestCase("[\\p{Lu}\\p{Lo}&&[^\\p{Han}]]+", "AB日カCd", "AB|カC")]
    [TestCase("\\p{^L}+", "ab12 c", "12 ")]
    [TestCase("[[:alpha:]_]+", "ab_1é", "ab_|é")]
    [TestCase("\\bt\\w*", "the at to", "the|to")]
    [TestCase("\\h+", "xyz09afG", "09af")]
    [TestCase("x{,2}y", "y xy xxxy", "y|xy|xxy")]
    [TestCase("a{2}{2}", "aaaaa", "aaaa")]
    [TestCase("(?<year>\\d+)-(?:\\d+)", "2024-05", "2024-05")]
    [TestCase("\\R", "a\r\nb\nc", "\r\n|\n")]
    [TestCase("(?<=a)b|(?<!a)c", "ab ac bc", "b|c")]
    [TestCase("\\uE000+|[\\uE001-\\uF8FF]", "\uE000\uE000\uE005😀", "\uE000\uE000|\uE005")]
    [TestCase("[]a]+", "a]b", "a]")]
    [TestCase("[a-c-e]+", "abc-e-d", "abc-e-")]
    public void A_pattern_finds_what_oniguruma_finds(string pattern, string text, string expected)
    {
        var matches = new List<TextSpan>();
        new RegexPattern(pattern).FindMatches(text, matches);

        Assert.That(string.Join('|', matches.Select(m => text[m.Start..m.End])), Is.EqualTo(expected));
    }

    [Test]
    public void An_empty_match_is_not_taken_right_after_another_match()
    {
        var matches = new List<TextSpan>();
        new RegexPattern("x*").FindMatches("axb", matches);

        Assert.That(matches, Is.EqualTo(new TextSpan[] { new(0, 0), new(1, 2), new(3, 3) }));
    }

    [TestCase("(a")]
    [TestCase("a)")]
    [TestCase("[a")]
    [TestCase("*a")]
    [TestCase("a{2,1}")]
    [TestCase("a{5000}")]
    [TestCase("\\p{Klingon}")]
    [TestCase("(a)\\1")]
    [TestCase("\\X")]
    [TestCase("(?(1)a)")]
    [TestCase("[z-a]")]
    [TestCase("a\\")]
    [TestCase("\\x{110000}")]
    [TestCase("a*****************************")]
    public void A_pattern_that_cannot_be_kept_to_the_letter_is_refused(string pattern) =>
        Assert.That(() => new RegexPattern(pattern), Throws.InstanceOf<BadInputException>());

    [Test]
    public void Deep_groups_are_refused() =>
        Assert.That(() => new RegexPattern(new string('(', 10_000)), Throws.InstanceOf<BadInputException>());
}
