namespace PeftCore.Tokenizers.Tests;

public sealed class NormalizerGrowthTests
{
    [Test]
    public void A_normalizer_that_doubles_the_text_again_and_again_is_refused() =>
        Assert.That(() => WithDoublings(40).Encode("a"), Throws.TypeOf<BadInputException>().With.Message.Contains("by one replacement"));

    [Test]
    public void A_text_may_grow_within_reason() => Assert.That(WithDoublings(6).Encode("a b").Length, Is.EqualTo(64 + 2));

    private static Tokenizer WithDoublings(int count)
    {
        string doubling = """{"type":"Replace","pattern":{"String":"a"},"content":"aa"}""";
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["tokenizer.json"], $$$"""
            {"version":"1.0","added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{{{string.Join(",", Enumerable.Repeat(doubling, count))}}}]},"pre_tokenizer":null,
            "post_processor":null,"decoder":null,"model":{"type":"BPE","vocab":{"a":0,"b":1," ":2},"merges":[]}}
            """);
        return Tokenizer.FromFile(directory["tokenizer.json"]);
    }
}
