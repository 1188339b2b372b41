using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu.Tests;

internal static class ProductShapes
{
    /// <summary>Every shape that a plan may ask for.</summary>
    public static IEnumerable<ProductShape> All =>
        from tileN in new[] { 16, 32, 64, 128, 256 }
        from cluster in tileN >= 128 ? new[] { 1, 2 } : [1]
        from transposeA in new[] { false, true }
        from acrossB in new[] { false, true }
        from narrow in new[] { false, true }
        from store in narrow && tileN >= 64 ? Enum.GetValues<ResultStore>() : [ResultStore.Pairs, ResultStore.Singles]
        select new ProductShape(tileN, cluster, transposeA, acrossB, narrow, store);
}
