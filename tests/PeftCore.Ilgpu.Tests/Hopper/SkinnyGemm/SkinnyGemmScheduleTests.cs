using System.Text.RegularExpressions;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu.Tests;

public sealed class SkinnyGemmScheduleTests
{
    private const int Processors = 132;

    [TestCase(4096, new[] { 2048, 256, 256 }, 1, true)]
    [TestCase(4096, new[] { 5632, 5632 }, 1, true)]
    [TestCase(2048, new[] { 11_008 }, 1, false)]
    [TestCase(1, new[] { 8 }, 4, true)]
    [TestCase(1000, new[] { 151_936 }, 2, true)]
    public void Thread_blocks_cover_every_row_and_column_once(int m, int[] widths, int tiles, bool right)
    {
        var schedule = SkinnyGemmSchedule.For(m, widths, tiles, right, true, Processors);
        int width = schedule.Shape.WarpColumns * SkinnyGemmShape.Columns, height = schedule.Shape.WarpRows * SkinnyGemmShape.Rows;

        Assert.That(schedule.Strips, Is.EqualTo(widths.Sum(n => (n + width - 1) / width)));
        Assert.That(schedule.Run % height, Is.Zero, "all warps of a thread block take the same number of steps");
        Assert.That(schedule.Runs * schedule.Run, Is.InRange(m, m + schedule.Run - 1));
        Assert.That(schedule.Runs == 1 || schedule.Blocks <= Processors);
    }

    [Test]
    public void Everything_fits_shared_memory_with_steps_in_flight()
    {
        foreach (var shape in Shapes())
        {
            Assert.That(shape.SharedBytes, Is.LessThanOrEqualTo(GemmShape.MostShared), shape.ToString());
            Assert.That(shape.Stages, Is.GreaterThanOrEqualTo(3), shape.ToString());
        }
    }

    [Test]
    public void A_step_adds_to_every_sum()
    {
        foreach (var shape in Shapes())
        {
            string[] products = [.. new SkinnyGemmPtx(shape).Expand("peft.multiply %r1;").Split('\n')
                .Where(line => line.Contains("mma.sync", StringComparison.Ordinal))];
            int tall = SkinnyGemmShape.Columns / 8, deep = SkinnyGemmShape.Columns / 16;

            Assert.That(products, Has.Length.EqualTo(shape.Tiles * (tall + (shape.Right ? 2 * deep : 0))));
            Assert.That(products.SelectMany(line => Regex.Matches(line, @"cs\d+").Select(match => match.Value)).Distinct().Count(),
                Is.EqualTo(4 * tall * shape.Tiles));
            Assert.That(products.SelectMany(line => Regex.Matches(line, @"rs\d+").Select(match => match.Value)).Distinct().Count(),
                Is.EqualTo(shape.Right ? 8 * shape.Tiles : 0));
        }
    }

    private static IEnumerable<SkinnyGemmShape> Shapes() =>
        from tiles in Enumerable.Range(1, SkinnyGemmShape.MostTiles)
        from right in new[] { false, true }
        from warpColumns in new[] { 1, 2, 4, 8 }
        select new SkinnyGemmShape(tiles, right, true, warpColumns);
}
