using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu.Tests;

public sealed class TensorPlanTests
{
    [TestCase(4096, 4096, 4096)]
    [TestCase(4096, 256, 2048)]
    [TestCase(16, 2048, 4096)]
    [TestCase(1, 8, 8)]
    [TestCase(1000, 1096, 520)]
    public void Tiles_and_parts_cover_the_product_once(int m, int n, int k)
    {
        TensorPlan plan = TensorPlan.For(m, n, k, false, true, 132)!.Value;

        Assert.That(plan.TilesM * WgmmaPtx.TileM, Is.InRange(m, m + WgmmaPtx.TileM - 1));
        Assert.That(plan.TilesN * plan.TileN, Is.InRange(n, n + plan.TileN - 1));
        Assert.That((long)plan.Parts * plan.KPart, Is.GreaterThanOrEqualTo(k));
        Assert.That((plan.Parts - 1L) * plan.KPart, Is.LessThan(k), "no part is empty");
        Assert.That(plan.KPart % WgmmaPtx.Depth, Is.Zero, "parts start at multiples of a stage");
    }

    [TestCase(64, 64, 60, false, true, TestName = "K in rows of 120 bytes")]
    [TestCase(60, 64, 64, true, true, TestName = "Transposed A in rows of 120 bytes")]
    [TestCase(64, 60, 64, false, false, TestName = "B in rows of 120 bytes")]
    [TestCase(64, 63, 64, false, true, TestName = "A result whose rows start at odd multiples of 4 bytes")]
    public void Rows_that_do_not_start_on_16_bytes_go_another_way(int m, int n, int k, bool transposeA, bool transposeB) =>
        Assert.That(TensorPlan.For(m, n, k, transposeA, transposeB, 132), Is.Null);

    [Test]
    public void Wide_tiles_are_for_products_that_fill_the_card()
    {
        Assert.That(TensorPlan.For(4096, 4096, 4096, false, true, 132)!.Value.TileN, Is.EqualTo(256));
        Assert.That(TensorPlan.For(4096, 256, 2048, false, true, 132)!.Value.TileN, Is.EqualTo(128));
    }
}
