using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Ilgpu.Tests;

public sealed class SplitKScheduleTests
{
    [TestCase(4096, 2048, 2048)]
    [TestCase(16, 2048, 4096)]
    [TestCase(1, 1, 1)]
    [TestCase(65, 63, 100_003)]
    [TestCase(5, 5, 0)]
    public void Tiles_and_splits_cover_the_product_once(int m, int n, int k)
    {
        var schedule = SplitKSchedule.For(m, n, k, 64, 16, 132);

        Assert.That((long)schedule.TilesM * 64, Is.InRange(m, m + 63));
        Assert.That((long)schedule.TilesN * 64, Is.InRange(n, n + 63));
        Assert.That((long)schedule.Splits * schedule.KPerSplit, Is.GreaterThanOrEqualTo(k));
        Assert.That((schedule.Splits - 1L) * schedule.KPerSplit, Is.LessThanOrEqualTo(Math.Max(0, k - 1)), "no slice is empty");
        Assert.That(schedule.KPerSplit % 16, Is.Zero);
    }

    [Test]
    public void K_is_cut_only_where_tiles_alone_leave_processors_idle()
    {
        Assert.That(SplitKSchedule.For(4096, 4096, 4096, 64, 16, 132).Splits, Is.EqualTo(1));
        Assert.That(SplitKSchedule.For(16, 2048, 4096, 64, 16, 132).Splits, Is.GreaterThan(4));
    }
}
