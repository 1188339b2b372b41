namespace PeftCore.Tests;

public sealed class SpellingTests
{
    [TestCase("train", "train", 0)]
    [TestCase("trian", "train", 1)]
    [TestCase("ab", "ba", 1)]
    [TestCase("kitten", "sitting", 3)]
    [TestCase("", "abc", 3)]
    [TestCase("abc", "", 3)]
    public void Spellings_are_compared_by_single_edits_and_swapped_neighbours(string one, string other, int edits) =>
        Assert.That(Spelling.Distance(one, other), Is.EqualTo(edits));
}
