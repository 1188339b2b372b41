using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Embedding look-ups and their gradient.</summary>
internal sealed class EmbeddingLauncher(LaunchContext gpu)
{
    public void Gather(Tensor ids, Tensor table, Tensor y)
    {
        if (CanVectorize(y) && CanVectorizeWeight(table))
        {
            DTypeSwitch.Vector(table.DType, new GatherLaunch(gpu, ids, table, y));
            return;
        }
        DTypeSwitch.Element(table.DType, new GatherLaunch(gpu, ids, table, y));
    }

    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table)
    {
        using Float32Staging from = gpu.StageIn(dy), to = gpu.StageOut(table, true);
        gpu.ForEach<ScatterAdd, ScatterAddArgs>(table.Shape.Columns, new ScatterAddArgs
        {
            Ids = gpu.I32(ids),
            DOut = from.View,
            Table = to.View,
            Count = (int)ids.Count,
            Columns = table.Shape.Columns,
            TableRows = table.Shape.Rows,
        });
    }

    private readonly record struct GatherLaunch(LaunchContext Gpu, Tensor Ids, Tensor Table, Tensor Y) : IElementLaunch, IVectorLaunch
    {
        public void WithElement<TTable>() where TTable : unmanaged, IElement<TTable>
        {
            int columns = Table.Shape.Columns, blocksPerRow = SplitKSchedule.Count(columns, Gpu.Device.BlockSize);
            using var to = Gpu.StageOut(Y, false);
            Gpu.Run<Gather<TTable>, GatherArgs<TTable>>(Ids.Count * blocksPerRow, 1, new GatherArgs<TTable>
            {
                Ids = Gpu.I32(Ids),
                Table = Gpu.View<TTable>(Table),
                Y = to.View,
                Columns = columns,
                TableRows = Table.Shape.Rows,
                BlocksPerRow = blocksPerRow,
            });
        }

        public void WithVector<TTable>() where TTable : unmanaged, IVector8<TTable>
        {
            int vectors = Y.Shape.Columns / 8, blocksPerRow = SplitKSchedule.Count(vectors, Gpu.Device.BlockSize);
            Gpu.Run<GatherBf16x8<TTable>, GatherBf16x8Args<TTable>>(Ids.Count * blocksPerRow, 1, new GatherBf16x8Args<TTable>
            {
                Ids = Gpu.I32(Ids),
                Table = Gpu.Vectors<TTable>(Table),
                Y = Gpu.Bf16x8(Y),
                Vectors = vectors,
                BlocksPerRow = blocksPerRow,
                TableRows = Table.Shape.Rows,
            });
        }
    }
}
