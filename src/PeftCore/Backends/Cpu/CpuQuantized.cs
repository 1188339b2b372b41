using System.Runtime.InteropServices;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Quantised weights: conversions, and the product of LLM.int8().</summary>
internal sealed class CpuQuantized(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Quantize(Tensor from, Tensor to) => Launch(LaunchCost.Of("quantize", from, to), (from: In(from), to: Out(to)),
        static (c, s) => Quantize(c.from, c.to, s));

    public void Dequantize(Tensor from, Tensor to) => Launch(LaunchCost.Of("dequantize", from, to), (from: In(from), to: Out(to)),
        static (c, s) => Dequantize(c.from, c.to, s));

    public void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate) =>
        Launch(LaunchCost.OfFlops("int8 product", 2.0 * x.Shape.Rows * weight.Shape.Count),
            (x: In(x), weight: In(weight), y: Out(y), accumulate), static (c, _) => Int8MatMul(c.x, c.weight, c.y, c.accumulate));

    private static void Quantize(CpuTensorView from, CpuTensorView to, CpuStream stream)
    {
        float[] numbers = new float[from.Count];
        Elements.ToFloat(from.Bytes, from.DType.Element, numbers, stream.Pool);
        var weight = new QuantizedView(to);
        if (weight.Format.QuantizesRows)
        {
            for (int row = 0; row < to.Rows; row++)
            {
                weight.Scales[row] = RowCodes.Quantize(numbers.AsSpan(row * to.Columns, to.Columns), weight.RowOf(row));
            }
            return;
        }
        float[] scales = new float[weight.Parts.ScaleCount];
        FourBitCodes.Quantize(numbers, weight.Format.Kind, weight.Format.BlockSize, weight.Codes, scales);
        weight.StoreScales(scales);
    }

    private static void Dequantize(CpuTensorView from, CpuTensorView to, CpuStream stream)
    {
        float[] numbers = new float[from.Count];
        var weight = new QuantizedView(from);
        if (weight.Format.QuantizesRows)
        {
            for (int row = 0; row < from.Rows; row++)
            {
                RowCodes.Dequantize(weight.RowOf(row), weight.Scales[row], numbers.AsSpan(row * from.Columns, from.Columns));
            }
        }
        else
        {
            FourBitCodes.Dequantize(weight.Codes, weight.Format.Kind, weight.Format.BlockSize, weight.LoadScales(), 0, numbers);
        }
        if (to.DType == DType.F32)
        {
            numbers.CopyTo(to.F32);
        }
        else
        {
            Elements.FromFloat(numbers, to.Bytes, to.DType.Element, stream.Pool);
        }
    }

    private static void Int8MatMul(CpuTensorView x, CpuTensorView weight, CpuTensorView y, bool accumulate)
    {
        var w = new QuantizedView(weight);
        sbyte[] codes = new sbyte[x.Columns];
        for (int row = 0; row < x.Rows; row++)
        {
            float scale = RowCodes.Quantize(x.F32.Slice(row * x.Columns, x.Columns), codes);
            var result = y.F32.Slice(row * y.Columns, y.Columns);
            for (int column = 0; column < y.Columns; column++)
            {
                var other = w.RowOf(column);
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

/// <summary>The parts of a quantised matrix in the processor's memory.</summary>
internal readonly ref struct QuantizedView
{
    private readonly Span<byte> _bytes;
    private readonly int _columns;

    public QuantizedView(CpuTensorView view)
    {
        Format = view.Format ?? throw new InvalidOperationException($"{view} is not quantised");
        Parts = Format.PartsOf(view.Shape);
        _bytes = view.Bytes;
        _columns = view.Columns;
    }

    public QuantizedFormat Format { get; }

    public QuantizedParts Parts { get; }

    public Span<byte> Codes => _bytes[..(int)Parts.CodeBytes];

    /// <summary>F32 scales, without double quantisation.</summary>
    public Span<float> Scales => MemoryMarshal.Cast<byte, float>(_bytes.Slice((int)Parts.Scales, (int)Parts.ScaleCount * sizeof(float)));

    /// <summary>The codes of one row of INT8.</summary>
    public Span<sbyte> RowOf(int row) => MemoryMarshal.Cast<byte, sbyte>(Codes.Slice(row * _columns, _columns));

    /// <summary>The scales in F32, with or without double quantisation.</summary>
    public ReadOnlySpan<float> LoadScales()
    {
        if (!Format.DoubleQuantized)
        {
            return Scales;
        }
        float[] scales = new float[Parts.ScaleCount];
        ScaleCodes.Dequantize(ScaleBytes, ScaleScales, QuantizedFormat.ScaleBlock, Mean[0], scales);
        return scales;
    }

    /// <summary>Stores F32 scales, quantised if the format says so.</summary>
    public void StoreScales(ReadOnlySpan<float> scales)
    {
        if (Format.DoubleQuantized)
        {
            Mean[0] = ScaleCodes.Quantize(scales, QuantizedFormat.ScaleBlock, ScaleBytes, ScaleScales);
        }
        else
        {
            scales.CopyTo(Scales);
        }
    }

    private Span<byte> ScaleBytes => _bytes.Slice((int)Parts.Scales, (int)Parts.ScaleCount);

    private Span<float> ScaleScales =>
        MemoryMarshal.Cast<byte, float>(_bytes.Slice((int)Parts.ScaleScales, (int)Parts.ScaleScaleCount * sizeof(float)));

    private Span<float> Mean => MemoryMarshal.Cast<byte, float>(_bytes.Slice((int)Parts.Mean, sizeof(float)));
}
