using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Quantised weights: conversions, and the product of LLM.int8().</summary>
internal sealed unsafe class CpuQuantized(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Quantize(Tensor from, Tensor to) => Launch(LaunchCost.Of("quantize", from, to), (from: In(from), to: Out(to)),
        static (c, s) => QuantizedConversion.Quantize(c.from.Data, c.from.DType.Element, c.to.Quantized, s.Pool));

    public void Dequantize(Tensor from, Tensor to) => Launch(LaunchCost.Of("dequantize", from, to), (from: In(from), to: Out(to)),
        static (c, s) => QuantizedConversion.Dequantize(c.from.Quantized, c.to.Data, c.to.DType.Element, s.Pool));

    public void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate) =>
        Launch(LaunchCost.OfFlops("int8 product", 2.0 * x.Shape.Rows * weight.Shape.Count),
            (x: In(x), weight: In(weight), y: Out(y), accumulate), static (c, _) => Int8MatMul(c.x, c.weight, c.y, c.accumulate));

    private static void Int8MatMul(CpuTensorView x, CpuTensorView weight, CpuTensorView y, bool accumulate)
    {
        var w = weight.Quantized;
        sbyte[] codes = new sbyte[x.Columns];
        for (int row = 0; row < x.Rows; row++)
        {
            float scale = RowCodes.Quantize(x.F32.Slice(row * x.Columns, x.Columns), codes);
            var result = y.F32.Slice(row * y.Columns, y.Columns);
            for (int column = 0; column < y.Columns; column++)
            {
                sbyte* other = w.Row(column);
                int sum = 0;
                for (int i = 0; i < codes.Length; i++)
                {
                    sum += codes[i] * other[i];
                }
                float product = sum * (scale * w.Scales[column]) * RowCodes.ProductFactor;
                result[column] = accumulate ? result[column] + product : product;
            }
        }
    }
}
