using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Element-by-element ops, dropout and random fills. BF16 tensors use the vectorized kernels, others the portable ones in
/// F32.</summary>
internal sealed class ElementwiseLauncher(LaunchContext gpu)
{
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula => Apply<ValueOf<TFormula>>(x, x, y);

    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        Apply<SlopeOf<TFormula>>(x, dy, dx, accumulate: accumulate);

    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        Apply<GateOf<TFormula>>(gate, up, h);

    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup) where TFormula : struct, IUnaryFormula
    {
        if (CanVectorize(gate, up, dh, dgate, dup))
        {
            gpu.Moves(gate, up, dh, dgate, dup);
            gpu.ForEach<GatedGradientBf16x8<TFormula>, GatedGradientBf16x8Args>(gate.Count / 8, new GatedGradientBf16x8Args
            {
                Gate = gpu.Bf16x8(gate),
                Up = gpu.Bf16x8(up),
                DOut = gpu.Bf16x8(dh),
                DGate = gpu.Bf16x8(dgate),
                DUp = gpu.Bf16x8(dup),
            });
            return;
        }
        using Float32Staging g = gpu.StageIn(gate), u = gpu.StageIn(up), d = gpu.StageIn(dh), dg = gpu.StageOut(dgate, false),
            du = gpu.StageOut(dup, false);
        gpu.ForEach<GatedGradient<TFormula>, GatedGradientArgs>(gate.Count, new GatedGradientArgs
        {
            Gate = g.View,
            Up = u.View,
            DOut = d.View,
            DGate = dg.View,
            DUp = du.View,
        });
    }

    public void Add(Tensor a, Tensor b, Tensor y) => Apply<Plus>(a, b, y);

    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) => Apply<Times>(a, b, y, accumulate: accumulate);

    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) => Apply<Scaled>(x, x, y, factor, accumulate);

    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate)
    {
        if (CanVectorize(x, y))
        {
            gpu.ForEach<ScaleByDeviceBf16x8, PointwiseBf16x8Args>(y.Count / 8,
                PointwiseBf16x8(x, x, y, 0, accumulate) with { Device = gpu.F32(scalar) });
            return;
        }
        using Float32Staging from = gpu.StageIn(x), to = gpu.StageOut(y, accumulate);
        gpu.ForEach<ScaleByDevice, PointwiseArgs>(y.Count, Pointwise(from, gpu.F32(scalar), to, 0, accumulate));
    }

    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate)
    {
        if (CanVectorize(x, y))
        {
            gpu.Moves(x, y);
            gpu.ForEach<DropoutBf16x8, DropoutBf16x8Args>(y.Count / 8, new DropoutBf16x8Args
            {
                X = gpu.Bf16x8(x),
                Y = gpu.Bf16x8(y),
                Probability = probability,
                Scale = 1f / (1f - probability),
                Seed = seed,
                Stream = stream,
                Passes = gpu.CapturedPasses,
                Accumulate = Flag(accumulate),
            });
            return;
        }
        using Float32Staging from = gpu.StageIn(x), to = gpu.StageOut(y, accumulate);
        gpu.ForEach<Dropout, DropoutArgs>(x.Count, new DropoutArgs
        {
            X = from.View,
            Y = to.View,
            Probability = probability,
            Scale = 1f / (1f - probability),
            Seed = seed,
            Stream = stream,
            Passes = gpu.CapturedPasses,
            Accumulate = Flag(accumulate),
        });
    }

    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first)
    {
        // The product with a power of two is exact: a GPU, which fuses it with the sum, then rounds as the host does.
        if (!float.IsPow2(high - low))
        {
            Fill(y, (values, at) => Philox.FillUniform(values, low, high, seed, stream, (ulong)(first + at)));
            return;
        }
        gpu.ForEach<FillUniform, FillUniformArgs>(y.Count, new FillUniformArgs
        {
            Y = gpu.F32(y), Low = low, High = high, Seed = seed, Stream = stream, First = first,
        });
        gpu.Written(y);
    }

    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first) =>
        Fill(y, (values, at) => Philox.FillNormal(values, mean, standardDeviation, seed, stream, (ulong)(first + at)));

    // The host draws most initial values, because a GPU rounds sums of products, logarithms and sines differently and a seed must give the
    // same values on every device.
    private static void Fill(Tensor y, DrawFrom draw)
    {
        const int Block = 1 << 16;
        float[] values = new float[Math.Min(y.Count, ChunkedTransfer.Elements)];
        foreach (var (at, chunk) in y.Chunks())
        {
            int count = (int)chunk.Count;
            Parallel.For(0, (count + Block - 1) / Block, block =>
            {
                int start = block * Block;
                draw(values.AsSpan(start, Math.Min(Block, count - start)), at + start);
            });
            chunk.Backend.Upload(MemoryMarshal.AsBytes(values.AsSpan(0, count)), chunk);
        }
    }

    private delegate void DrawFrom(Span<float> values, long first);

    private void Apply<TOp>(Tensor a, Tensor b, Tensor y, float scalar = 0, bool accumulate = false) where TOp : struct, IPointwise
    {
        if (CanVectorize(a, b, y))
        {
            gpu.Moves(ReferenceEquals(a, b) ? [a, y] : [a, b, y]);
            gpu.ForEach<PointwiseBf16x8<TOp>, PointwiseBf16x8Args>(y.Count / 8, PointwiseBf16x8(a, b, y, scalar, accumulate));
            return;
        }
        using Float32Staging left = gpu.StageIn(a), right = gpu.StageIn(b), to = gpu.StageOut(y, accumulate);
        gpu.ForEach<Pointwise<TOp>, PointwiseArgs>(y.Count, Pointwise(left, right.View, to, scalar, accumulate));
    }

    private static PointwiseArgs Pointwise(in Float32Staging a, ArrayView<float> b, in Float32Staging y, float scalar, bool accumulate) =>
        new() { A = a.View, B = b, Y = y.View, Scalar = scalar, Accumulate = Flag(accumulate) };

    private PointwiseBf16x8Args PointwiseBf16x8(Tensor a, Tensor b, Tensor y, float scalar, bool accumulate) => new()
    {
        A = gpu.Bf16x8(a),
        B = gpu.Bf16x8(b),
        Y = gpu.Bf16x8(y),
        Device = gpu.None<float>(),
        Scalar = scalar,
        Accumulate = Flag(accumulate),
    };
}
