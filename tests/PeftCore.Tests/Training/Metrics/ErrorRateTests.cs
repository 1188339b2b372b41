using PeftCore.Training.Metrics;

namespace PeftCore.Tests.Training.Metrics;

public sealed class ErrorRateTests
{
    // Counted by hand: substitutions, deletions and insertions over the symbols of the references.
    [TestCase("the cat sat", "the cat sat", 0, 0)]
    [TestCase("the cat", "the cat sat", 1.0 / 3, 4.0 / 11)]
    [TestCase("a the bat sat", "the cat sat", 2.0 / 3, 3.0 / 11)]
    [TestCase("", "two words", 1, 1)]
    [TestCase("  the  cat ", "the cat", 0, 1.0 / 7)]
    [TestCase("one two three", "one", 2, 10.0 / 3)]
    public void An_error_rate_counts_edits_over_the_symbols_of_the_reference(string text, string reference, double wer, double cer)
    {
        var scores = ErrorRate.Of([text], [reference]);
        Assert.That(scores["wer"], Is.EqualTo(wer).Within(1e-12));
        Assert.That(scores["cer"], Is.EqualTo(cer).Within(1e-12));
    }

    [Test]
    public void Texts_count_by_their_length() =>
        Assert.That(ErrorRate.Words(["a b c", "x"], ["a b c", "y"]), Is.EqualTo(0.25).Within(1e-12));
}
