using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The schedule of ragged products as compiled to PTX, because ILGPU's compilers for the CPU and for a card differ.</summary>
public sealed class RaggedTileTests
{
    private string _ptx = "";

    [OneTimeSetUp]
    public void Compile()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        _ptx = PtxLoader.Compile<WgmmaRaggedGemm, WgmmaRaggedArgs<ArrayView<int>>>(backend, GemmShape.Threads, 1);
    }

    [TestCase(1, 1, 300)]
    [TestCase(1, 2, 0, 0, 5, 0)]
    [TestCase(3, 2, 7, 130, 0, 128, 1)]
    [TestCase(132, 6, 500, 530, 0, 0, 520, 129)]
    [TestCase(4, 1, 0)]
    public void Each_tile_of_each_expert_is_loaded_and_computed_once(int blocks, int tilesN, params int[] rows)
    {
        int[] offsets = [0, .. rows.Select((_, e) => rows.Take(e + 1).Sum())];
        var expected = from e in Enumerable.Range(0, rows.Length)
                       from column in Enumerable.Range(0, tilesN)
                       from row in Enumerable.Range(0, (rows[e] + GemmShape.TileM - 1) / GemmShape.TileM)
                       select ((long)offsets[e] + (row * GemmShape.TileM), (long)(column * 64) + (e * 1000));

        var loaded = new List<(long, long)>();
        var left = new List<long>();
        for (int block = 0; block < blocks; block++)
        {
            Run(block, 256, (name, a) => loaded.AddRange(name == "peft.load" ? [(a[3], a[4])] : []));
            Run(block, 0, (name, a) => left.AddRange(name == "peft.store" ? [a[1]] : []));
        }

        Assert.That(loaded, Is.EquivalentTo(expected));
        Assert.That(left, Is.EquivalentTo(
            from e in Enumerable.Range(0, rows.Length)
            from column in Enumerable.Range(0, tilesN)
            from row in Enumerable.Range(0, (rows[e] + GemmShape.TileM - 1) / GemmShape.TileM)
            select (long)rows[e] - (row * GemmShape.TileM)));

        void Run(int block, int thread, Action<string, long[]> macro) =>
            new PtxFlow(offsets, Parameters(tilesN, rows.Length)) { ["%tid.x"] = thread, ["%ctaid.x"] = block, ["%nctaid.x"] = blocks }
                .Run(_ptx, macro);
    }

    // The arguments by their offset: one stage a tile, tiles of 64 columns, matrices 1000 columns apart.
    private static Dictionary<int, long> Parameters(int tilesN, int experts)
    {
        var args = new WgmmaRaggedArgs<RawView>
        {
            N = 64 * tilesN,
            ColumnBytes = 2,
            TilesN = tilesN,
            TileN = 64,
            ExpertColumns = 1000,
            Experts = experts,
            Steps = 1,
            Stages = 4,
            RowBytes = 128L * tilesN,
            Alpha = 1,
        };
        var ints = MemoryMarshal.Cast<WgmmaRaggedArgs<RawView>, int>(MemoryMarshal.CreateReadOnlySpan(in args, 1));
        var parameters = new Dictionary<int, long>();
        for (int i = 0; i < ints.Length; i++)
        {
            parameters.Add(4 * i, ints[i]);
        }
        return parameters;
    }
}
