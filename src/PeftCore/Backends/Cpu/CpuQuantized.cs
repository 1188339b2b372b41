using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Quantised weights: conversions and products.</summary>
internal sealed unsafe class CpuQuantized(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Quantize(Tensor from, Tensor to) => Launch(LaunchCost.Of("quantize", from, to), (from: In(from), to: Out(to)),
        static (c, s) => QuantizedConversion.Quantize(c.from.Data, c.from.DType.Element, c.to.Quantized, s.Pool));

    public void Dequantize(Tensor from, Tensor to) => Launch(LaunchCost.Of("dequantize", from, to), (from: In(from), to: Out(to)),
        static (c, s) => QuantizedConversion.Dequantize(c.from.Quantized, c.to.Data, c.to.DType.Element, s.Pool));

    /// <summary>C (+)= α·A·op(B) with a quantised B.</summary>
    public void MatMul(Tensor a, Tensor b, bool transposeB, Tensor c, float alpha, bool accumulate)
    {
        string name = Stream.IsProfiling
            ? $"A·{(transposeB ? "Bᵀ" : "B")} {b.Format!.Name} {c.Shape.Rows}×{c.Shape.Columns}×{a.Shape.Columns}"
            : "";
        Launch(LaunchCost.OfFlops(name, 2.0 * c.Count * a.Shape.Columns),
            (a: In(a), b: In(b), transposeB, y: Out(c), alpha, accumulate),
            static (c, s) =>
            {
                int n = c.y.Columns, k = c.a.Columns;
                foreach (var part in s.RowPartsOf(c.a.Columns > n ? c.a : c.y))
                {
                    Gemm.MultiplyQuantized(part.Count, n, k, c.a.RowsOf(part).Matrix, c.b.Quantized, c.transposeB, c.y.RowsOf(part).F32, n,
                        c.alpha, c.accumulate, s.Pool);
                }
            });
    }

    public void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate) =>
        Launch(LaunchCost.OfFlops("int8 product", 2.0 * x.Shape.Rows * weight.Shape.Count),
            (x: In(x), weight: In(weight), y: Out(y), accumulate),
            static (c, s) => Int8Product.Multiply(c.x.Rows, c.x.F32, c.weight.Quantized, c.y.F32, c.weight.Format!.Threshold, c.accumulate,
                s.Pool));
}
