namespace PeftCore.Tokenizers.Tests;

public sealed class ReferenceCaseTests
{
    public static IEnumerable<TestCaseData> Cases() =>
        from kind in TokenizerFixtures.Kinds
        from result in TokenizerCases.Check(TokenizerFixtures.Directory(kind))
        select new TestCaseData(result).SetArgDisplayNames(kind, result.Name);

    [TestCaseSource(nameof(Cases))]
    public void A_text_is_encoded_and_decoded_as_the_reference_does(TokenizerCaseResult result) =>
        Assert.That(result.Ok, Is.True, result.Detail);

    [Test]
    public void Every_fixture_has_its_twenty_cases() => Assert.That(Cases().Count(), Is.EqualTo(80));
}
