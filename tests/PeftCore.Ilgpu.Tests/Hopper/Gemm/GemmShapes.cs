using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu.Tests;

internal static class GemmShapes
{
    /// <summary>Every shape that a schedule can choose.</summary>
    public static IEnumerable<GemmShape> All =>
        from tileN in new[] { 16, 32, 64, 128, 256 }
        from cluster in tileN >= 128 ? new (int Cluster, int SplitK)[] { (1, 1), (2, 1), (1, 2) } : [(Cluster: 1, SplitK: 1), (1, 4)]
        from transposeA in new[] { false, true }
        from rowMajorB in new[] { false, true }
        from bf16Result in new[] { false, true }
        from store in bf16Result && tileN >= 64 ? Enum.GetValues<ResultStore>() : [ResultStore.Pairs, ResultStore.Singles]
        where store != ResultStore.Singles || tileN <= 128
        select new GemmShape(tileN, cluster.Cluster, cluster.SplitK, transposeA, rowMajorB, bf16Result, store);
}
