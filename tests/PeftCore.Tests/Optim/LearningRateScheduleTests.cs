using PeftCore.Optim;

namespace PeftCore.Tests.Optim;

public sealed class LearningRateScheduleTests
{
    // The lists are those of transformers' own tests of get_scheduler.
    private static readonly (ScheduleKind Kind, int Warmup, double[] Rates)[] Cases =
    [
        (ScheduleKind.Constant, 0, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10]),
        (ScheduleKind.Constant, 4, [0, 2.5, 5, 7.5, 10, 10, 10, 10, 10, 10]),
        (ScheduleKind.Linear, 2, [0, 5, 10, 8.75, 7.5, 6.25, 5, 3.75, 2.5, 1.25]),
        (ScheduleKind.Cosine, 2, [0, 5, 10, 9.61, 8.53, 6.91, 5, 3.08, 1.46, 0.38]),
    ];

    [TestCaseSource(nameof(Cases))]
    public void Rates_are_those_of_get_scheduler((ScheduleKind Kind, int Warmup, double[] Rates) expected)
    {
        var schedule = new LearningRateSchedule(expected.Kind, 10, 10, expected.Warmup);
        var rates = Enumerable.Range(0, 10).Select(schedule.At);
        Assert.That(rates, Is.EqualTo(expected.Rates).Within(0.01));
    }

    [Test]
    public void A_run_shorter_than_its_warmup_never_reaches_the_peak_and_nothing_divides_by_zero()
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Linear, 1, 3, 6);
        Assert.That(Enumerable.Range(0, 3).Select(schedule.At), Is.EqualTo([0, 1 / 6.0, 2 / 6.0]).Within(1e-15));
        Assert.That(schedule.At(6), Is.Zero);
        Assert.That(new LearningRateSchedule(ScheduleKind.Cosine, 1, 0).At(0), Is.EqualTo(1));
    }

    [Test]
    public void A_warmup_ratio_is_rounded_up() => Assert.That(LearningRateSchedule.StepsOf(0.03, 101), Is.EqualTo(4));
}
