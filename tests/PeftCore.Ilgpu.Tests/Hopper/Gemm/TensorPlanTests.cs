using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu.Tests;

public sealed class TensorPlanTests
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
    public void Tiles_cover_the_result_once_and_clusters_share_every_stage(int m, int n, int k)
    {
        var plan = Plan(m, n, k);
        int rows = plan.Turned ? n : m, columns = plan.Turned ? m : n, height = ProductShape.TileM * plan.Shape.Cluster;

        Assert.That(plan.TilesM * height, Is.InRange(rows, rows + height - 1));
        Assert.That(plan.TilesN * plan.Shape.TileN, Is.InRange(columns, columns + plan.Shape.TileN - 1));
        Assert.That(plan.Groups, Is.InRange(1, Processors), "all groups run at once: those that share a tile wait for each other");
        Assert.That(plan.PartBytes, Is.LessThanOrEqualTo(TensorPlan.MostPartBytes(Processors)));
        Assert.That(plan.Shared, Is.LessThanOrEqualTo(plan.TilesM * plan.TilesN));
        Assert.That((plan.TilesM * plan.TilesN - plan.Shared) % plan.Clusters == 0 || plan.Shared == 0, "what is left over is shared");
    }

    [Test]
    public void Wide_tiles_are_for_products_that_fill_the_card()
    {
        Assert.That(Plan(4096, 4096, 4096).Shape.TileN, Is.EqualTo(256));
        Assert.That(Plan(4096, 256, 2048).Shape.TileN, Is.LessThan(256));
        Assert.That(Plan(4096, 16, 2048).Shape.TileN, Is.EqualTo(16));
    }

    [Test]
    public void A_result_of_few_rows_is_computed_turned()
    {
        var plan = Plan(16, 2048, 4096, transposeA: true, acrossB: true);

        Assert.That(plan.Turned);
        Assert.That(plan.Shape, Is.EqualTo(new ProductShape(16, plan.Shape.Cluster, plan.Shape.Split, true, true, false, ResultStore.Singles)));
        Assert.That(Plan(16, 2048, 4096, mayTurn: false).Turned, Is.False);
    }

    [TestCase(false, true, TestName = "x·Wᵀ turned is W·xᵀ: both as they lay")]
    [TestCase(true, false, TestName = "xᵀ·Wᵀ turned: the other way round")]
    public void Operands_keep_their_layout_when_they_change_places(bool transposeA, bool acrossB)
    {
        var shape = Plan(16, 4096, 2048, transposeA, acrossB).Shape;

        Assert.That((shape.TransposeA, shape.AcrossB), Is.EqualTo((acrossB, transposeA)));
    }

    [TestCase(true, 4096, 16, nameof(ResultStore.Copied))]
    [TestCase(true, 4096, 8, nameof(ResultStore.Pairs))]
    [TestCase(true, 4098, 16, nameof(ResultStore.Pairs))]
    [TestCase(true, 4097, 16, nameof(ResultStore.Singles))]
    [TestCase(false, 4096, 16, nameof(ResultStore.Pairs))]
    [TestCase(false, 4096, 4, nameof(ResultStore.Singles))]
    [TestCase(false, 50_257, 16, nameof(ResultStore.Singles))]
    public void Results_are_written_as_widely_as_their_rows_allow(bool narrow, int n, int alignment, string expected) =>
        Assert.That(Plan(4096, n, 4096, narrow: narrow, alignment: alignment).Shape.Store.ToString(), Is.EqualTo(expected));

    [Test]
    public void Results_beside_each_other_have_tiles_of_their_own()
    {
        var plan = TensorPlan.For(Work(1000, [1024, 136, 264], 520), Processors);

        Assert.That(plan.TilesN, Is.EqualTo(new[] { 1024, 136, 264 }.Sum(n => (n + plan.Shape.TileN - 1) / plan.Shape.TileN)));
    }

    private static TensorPlan Plan(int m, int n, int k, bool transposeA = false, bool acrossB = false, bool narrow = false, int alignment = 16, bool mayTurn = true) =>
        TensorPlan.For(Work(m, [n], k, transposeA, acrossB, narrow, alignment, mayTurn), Processors);

    private static TensorWork Work(int m, int[] widths, int k, bool transposeA = false, bool acrossB = false, bool narrow = false, int alignment = 16, bool mayTurn = true) => new()
    {
        M = m,
        Widths = widths,
        Steps = (k + 63) / 64,
        TransposeA = transposeA,
        AcrossB = acrossB,
        Narrow = narrow,
        Alignment = alignment,
        MayTurn = mayTurn,
    };
}
