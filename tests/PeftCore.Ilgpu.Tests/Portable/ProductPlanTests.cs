using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Ilgpu.Tests;

public sealed class ProductPlanTests
{
    [TestCase(4096, 2048, 2048)]
    [TestCase(16, 2048, 4096)]
    [TestCase(1, 1, 1)]
    [TestCase(65, 63, 100_003)]
    [TestCase(5, 5, 0)]
    public void Tiles_and_parts_cover_the_product_once(int m, int n, int k)
    {
        ProductPlan plan = ProductPlan.For(m, n, k, 64, 16, 132);

        Assert.That((long)plan.TilesM * 64, Is.InRange(m, m + 63));
        Assert.That((long)plan.TilesN * 64, Is.InRange(n, n + 63));
        Assert.That((long)plan.Parts * plan.KPart, Is.GreaterThanOrEqualTo(k));
        Assert.That((plan.Parts - 1L) * plan.KPart, Is.LessThanOrEqualTo(Math.Max(0, k - 1)), "no part is empty");
        Assert.That(plan.KPart % 16, Is.Zero);
    }

    [Test]
    public void K_is_cut_only_where_tiles_alone_leave_processors_idle()
    {
        Assert.That(ProductPlan.For(4096, 4096, 4096, 64, 16, 132).Parts, Is.EqualTo(1));
        Assert.That(ProductPlan.For(16, 2048, 4096, 64, 16, 132).Parts, Is.GreaterThan(4));
    }
}
