using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Rotary position embeddings (Su et al. 2021, RoFormer), in place.</summary>
internal sealed class RopeLauncher(LaunchContext gpu)
{
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse)
    {
        int rows = heads.Tensor.Shape.Rows, half = cos.Shape.Columns;
        var layout = heads.Layout;
        if (!interleaved && half % 8 == 0 && heads.Tensor.Count <= int.MaxValue && CanVectorize(heads.Tensor)
            && (layout.RowStride | layout.Offset | layout.HeadStride) % 8 == 0)
        {
            gpu.Moves(heads.Tensor, heads.Tensor);
            gpu.ForEach<RopeBf16x8, RopeBf16x8Args>((long)rows * heads.Count * (half / 8), new RopeBf16x8Args
            {
                Heads = gpu.Bf16x8(heads.Tensor),
                Cos = gpu.Float4x2(cos),
                Sin = gpu.Float4x2(sin),
                Positions = gpu.I32(positions),
                RowStride = layout.RowStride / 8,
                Offset = layout.Offset / 8,
                HeadStride = layout.HeadStride / 8,
                Half = half / 8,
                Rows = rows,
                Count = heads.Count,
                TableRows = cos.Shape.Rows,
                Inverse = Flag(inverse),
            });
            return;
        }
        using var rotated = gpu.StageOut(heads.Tensor, true);
        gpu.ForEach<Rope, RopeArgs>((long)rows * heads.Count * half, new RopeArgs
        {
            Heads = gpu.Heads<Float32>(heads.On(rotated.Tensor)),
            Cos = gpu.F32(cos),
            Sin = gpu.F32(sin),
            Positions = gpu.I32(positions),
            Rows = rows,
            Count = heads.Count,
            Half = half,
            TableRows = cos.Shape.Rows,
            Interleaved = Flag(interleaved),
            Inverse = Flag(inverse),
        });
    }
}
