using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Output;

public sealed class LossTicksTests
{
    [TestCase(3.927, 4.423, new[] { 3.9, 4.0, 4.1, 4.2, 4.3, 4.4, 4.5 })]
    [TestCase(0.241, 2.707, new[] { 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3 })]
    [TestCase(0.4, 0.41, new[] { 0.4, 0.402, 0.404, 0.406, 0.408, 0.41 })]
    public void Marks_reach_no_further_than_the_losses(double lowest, double highest, double[] expected) =>
        Assert.That(LossTicks.Between(lowest, highest), Is.EqualTo(expected).Within(1e-9));

    [TestCase(2, 2)]
    [TestCase(0, 0)]
    [TestCase(1e-7, 5)]
    [TestCase(3, 0.5)]
    [TestCase(1, 1000)]
    public void There_are_always_some_and_they_enclose_the_losses(double lowest, double highest)
    {
        var ticks = LossTicks.Between(lowest, highest);
        Assert.That(ticks, Is.Ordered.And.Unique.And.All.Positive);
        Assert.That(ticks, Has.Count.InRange(2, 60));
        Assert.That(ticks[0], Is.LessThanOrEqualTo(Math.Max(lowest, 1e-4)));
        Assert.That(ticks[^1], Is.GreaterThanOrEqualTo(highest));
    }
}
