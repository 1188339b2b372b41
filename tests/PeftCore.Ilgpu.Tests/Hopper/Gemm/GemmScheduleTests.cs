using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu.Tests;

public sealed class GemmScheduleTests
{
    private const int Processors = 132;

    [TestCase(4096, 4096, 4096)]
    [TestCase(4096, 5632, 2048)]
    [TestCase(4096, 256, 2048)]
    [TestCase(4096, 16, 2048)]
    [TestCase(16, 2048, 4096)]
    [TestCase(1, 8, 8)]
    [TestCase(1000, 1096, 520)]
    [TestCase(2048, 151_936, 1024)]
    public void Tiles_cover_the_result_once_and_clusters_take_every_stage(int m, int n, int k)
    {
        var schedule = Plan(m, n, k);
        int rows = schedule.SwapAB ? n : m, columns = schedule.SwapAB ? m : n, height = GemmShape.TileM * schedule.Shape.Cluster;

        Assert.That(schedule.TilesM * height, Is.InRange(rows, rows + height - 1));
        Assert.That(schedule.TilesN * schedule.Shape.TileN, Is.InRange(columns, columns + schedule.Shape.TileN - 1));
        Assert.That(schedule.Blocks, Is.InRange(1, Processors),
            "all thread blocks run at once: those that share a tile wait for each other");
        Assert.That(schedule.PartialBytes, Is.LessThanOrEqualTo(GemmSchedule.MaxPartialBytes(Processors)));
        Assert.That(schedule.StreamKTiles, Is.LessThanOrEqualTo(schedule.TilesM * schedule.TilesN));
        Assert.That((schedule.TilesM * schedule.TilesN - schedule.StreamKTiles) % schedule.Clusters == 0 || schedule.StreamKTiles == 0,
            "tiles that do not fill a wave are cut by stream-K");
    }

    [Test]
    public void Wide_tiles_are_for_products_that_fill_the_card()
    {
        Assert.That(Plan(4096, 4096, 4096).Shape.TileN, Is.EqualTo(256));
        Assert.That(Plan(4096, 256, 2048).Shape.TileN, Is.LessThan(256));
        Assert.That(Plan(4096, 16, 2048).Shape.TileN, Is.EqualTo(16));
    }

    [Test]
    public void A_result_of_few_rows_is_computed_with_operands_swapped()
    {
        var schedule = Plan(16, 2048, 4096, transposeA: true, rowMajorB: true);

        Assert.That(schedule.SwapAB);
        Assert.That(schedule.Shape,
            Is.EqualTo(new GemmShape(16, schedule.Shape.Cluster, schedule.Shape.SplitK, true, true, false, ResultStore.Singles)));
        Assert.That(Plan(16, 2048, 4096, maySwapAB: false).SwapAB, Is.False);
    }

    [TestCase(false, true, TestName = "x·Wᵀ with swapped operands is W·xᵀ: both as stored")]
    [TestCase(true, false, TestName = "xᵀ·Wᵀ with swapped operands: each transposed")]
    public void Operands_keep_their_layout_when_they_are_swapped(bool transposeA, bool rowMajorB)
    {
        var shape = Plan(16, 4096, 2048, transposeA, rowMajorB).Shape;

        Assert.That((shape.TransposeA, shape.RowMajorB), Is.EqualTo((rowMajorB, transposeA)));
    }

    [TestCase(true, 4096, 16, nameof(ResultStore.Copied))]
    [TestCase(true, 4096, 8, nameof(ResultStore.Pairs))]
    [TestCase(true, 4098, 16, nameof(ResultStore.Pairs))]
    [TestCase(true, 4097, 16, nameof(ResultStore.Singles))]
    [TestCase(false, 4096, 16, nameof(ResultStore.Pairs))]
    [TestCase(false, 4096, 4, nameof(ResultStore.Singles))]
    [TestCase(false, 50_257, 16, nameof(ResultStore.Singles))]
    public void Results_are_written_as_widely_as_their_rows_allow(bool bf16Result, int n, int alignment, string expected) =>
        Assert.That(Plan(4096, n, 4096, bf16Result: bf16Result, alignment: alignment).Shape.Store.ToString(), Is.EqualTo(expected));

    [Test]
    public void Results_beside_each_other_have_tiles_of_their_own()
    {
        var schedule = GemmSchedule.For(Problem(1000, [1024, 136, 264], 520), Processors);

        Assert.That(schedule.TilesN, Is.EqualTo(new[] { 1024, 136, 264 }.Sum(n => (n + schedule.Shape.TileN - 1) / schedule.Shape.TileN)));
    }

    private static GemmSchedule Plan(int m, int n, int k, bool transposeA = false, bool rowMajorB = false, bool bf16Result = false,
        int alignment = 16, bool maySwapAB = true) =>
        GemmSchedule.For(Problem(m, [n], k, transposeA, rowMajorB, bf16Result, alignment, maySwapAB), Processors);

    private static GemmProblem Problem(int m, int[] widths, int k, bool transposeA = false, bool rowMajorB = false, bool bf16Result = false,
        int alignment = 16, bool maySwapAB = true) => new()
        {
            M = m,
            Widths = widths,
            Steps = (k + 63) / 64,
            TransposeA = transposeA,
            RowMajorB = rowMajorB,
            Bf16Result = bf16Result,
            Alignment = alignment,
            MaySwapAB = maySwapAB,
        };
}
