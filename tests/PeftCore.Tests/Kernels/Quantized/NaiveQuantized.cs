using System.Runtime.InteropServices;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels.Quantized;

/// <summary>A matrix that kernels quantised, with poison around it, and plain loops for what kernels do with it.</summary>
internal sealed unsafe class NaiveQuantized : IDisposable
{
    private const int BlockSize = 64, ScaleBlock = 256, Room = 4096;

    private readonly float[] _numbers;
    private readonly int _rows, _columns, _blocks, _codeBytes;
    private readonly bool _doubled;
    private readonly byte* _memory;

    public NaiveQuantized(float[] numbers, int rows, int columns, QuantizedKind kind, bool doubled)
    {
        (_numbers, _rows, _columns, _doubled, Kind) = (numbers, rows, columns, doubled && kind != QuantizedKind.Int8, kind);
        _blocks = kind == QuantizedKind.Int8 ? rows : (numbers.Length + BlockSize - 1) / BlockSize;
        _codeBytes = kind == QuantizedKind.Int8 ? numbers.Length : (numbers.Length + 1) / 2;
        nuint bytes = (nuint)(_codeBytes + 4 * Room + _blocks * 8 + _blocks);
        _memory = (byte*)NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Fill(_memory, bytes, 0xFF);
        using WorkerPool pool = new(2);
        fixed (float* x = numbers)
        {
            QuantizedConversion.Quantize((byte*)x, ElementType.F32, Matrix, pool);
        }
    }

    public QuantizedKind Kind { get; }

    public QuantizedMatrix Matrix
    {
        get
        {
            byte* scales = _memory + (_codeBytes + Room) / Room * Room;
            float* mean = (float*)(scales + (_blocks + Room) / Room * Room);
            return _doubled
                ? new QuantizedMatrix(Kind, BlockSize, _rows, _columns, _memory, null,
                    new QuantizedScales(scales, mean + 1, mean, ScaleBlock))
                : new QuantizedMatrix(Kind, Kind == QuantizedKind.Int8 ? 0 : BlockSize, _rows, _columns, _memory, (float*)scales, default);
        }
    }

    /// <summary>Codes and scales in F32.</summary>
    public (byte[] Codes, float[] Scales) Stored => (new Span<byte>(_memory, _codeBytes).ToArray(),
        [.. Enumerable.Range(0, _blocks).Select(block => Matrix.ScaleOf(block))]);

    /// <summary>Codes and scales computed one by one.</summary>
    public (byte[] Codes, float[] Scales) Naive()
    {
        byte[] codes = new byte[_codeBytes];
        float[] scales = new float[_blocks];
        int size = Kind == QuantizedKind.Int8 ? _columns : BlockSize;
        for (int block = 0; block < _blocks; block++)
        {
            float[] part = [.. _numbers.Skip(block * size).Take(size)];
            float[] values = Kind == QuantizedKind.Int8 ? Array.ConvertAll(part, x => (float)(Half)x) : part;
            scales[block] = values.Max(Math.Abs);
            for (int i = 0; i < values.Length; i++)
            {
                Put(codes, block * size + i, values.Length == size ? values[i] * (1 / scales[block]) : values[i] / scales[block],
                    values[i] * (1 / scales[block] * 127));
            }
        }
        if (Kind != QuantizedKind.Int8 && _numbers.Length % 2 == 1)
        {
            Put(codes, _numbers.Length, 0, 0);
        }
        return (codes, _doubled ? Doubled(scales) : scales);
    }

    /// <summary>The numbers that the codes stand for.</summary>
    public float[] Numbers()
    {
        var (codes, scales) = Stored;
        float[] levels = FourBitLevels.Of(Kind).ToArray();
        return [.. Enumerable.Range(0, _numbers.Length).Select(i => Kind == QuantizedKind.Int8
            ? (sbyte)codes[i] * (scales[i / _columns] * (1 / 127f))
            : levels[i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15] * scales[i / BlockSize])];
    }

    /// <summary>x·Wᵀ of LLM.int8().</summary>
    public double[] Int8Product(float[] x, int m, float threshold)
    {
        int k = _columns;
        var (codes, scales) = Stored;
        bool IsOutlier(float number) => threshold > 0 && Math.Abs((float)(Half)number) >= threshold;
        bool[] columns = [.. Enumerable.Range(0, k).Select(c => Enumerable.Range(0, m).Any(r => IsOutlier(x[r * k + c])))];
        double[] y = new double[m * _rows];
        for (int row = 0; row < m; row++)
        {
            float[] own = [.. x.Skip(row * k).Take(k).Select(v => IsOutlier(v) ? 0 : (float)(Half)v)];
            float scale = own.Max(Math.Abs), factor = 1 / scale * 127;
            for (int output = 0; output < _rows; output++)
            {
                long sum = 0;
                double apart = 0;
                for (int c = 0; c < k; c++)
                {
                    sbyte w = (sbyte)codes[output * k + c];
                    bool isLeftOut = (columns[c] && m > 1) || scale == 0;
                    sum += isLeftOut ? 0 : w * (long)MathF.Round(own[c] * factor, MidpointRounding.ToEven);
                    apart += columns[c] ? (double)x[row * k + c] * w * scales[output] / 127 : 0;
                }
                y[row * _rows + output] = sum * (scale * scales[output]) * 6.200124e-05f + apart;
            }
        }
        return y;
    }

    public static void Decode(QuantizedKind kind, QuantizedMatrix matrix, int first, Span<float> y, SimdLevel level)
    {
        float* levels = FourBitLevels.Address(kind);
        fixed (float* to = y)
        {
            switch (level)
            {
                case SimdLevel.Avx512:
                    FourBitRun.Decode512(matrix.Codes, levels, matrix.Scales[0], first, y.Length, to);
                    break;
                case SimdLevel.Avx2:
                    FourBitRun.Decode256(matrix.Codes, levels, matrix.Scales[0], first, y.Length, to);
                    break;
                default:
                    FourBitCodes.Dequantize(matrix.Codes, kind, matrix.Scales[0], first, y);
                    break;
            }
        }
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    private void Put(byte[] codes, int at, float inUnits, float inSteps)
    {
        if (Kind == QuantizedKind.Int8)
        {
            codes[at] = (byte)(sbyte)MathF.Round(inSteps, MidpointRounding.ToEven);
            return;
        }
        float[] bounds = FourBitLevels.Bounds(Kind).ToArray();
        int code = FourBitLevels.CodeAt(Kind, bounds.Count(bound => bound < inUnits));
        codes[at / 2] |= (byte)(at % 2 == 0 ? code << 4 : code);
    }

    // The scales that are left of scales.
    private static float[] Doubled(float[] scales)
    {
        float mean = CascadeSum.Of(scales) / scales.Length;
        float[] map = DynamicMap.Signed.Values;
        float[] result = new float[scales.Length];
        for (int first = 0; first < scales.Length; first += ScaleBlock)
        {
            float[] part = [.. scales.Skip(first).Take(ScaleBlock).Select(scale => scale - mean)];
            float largest = Math.Max(part.Max(Math.Abs), part.Length == ScaleBlock ? 0 : 1e-38f);
            for (int i = 0; i < part.Length; i++)
            {
                float x = part.Length == ScaleBlock ? part[i] * (1 / Math.Max(largest, 1e-38f)) : part[i] / largest;
                int code = Enumerable.Range(0, 255).Count(j => (map[j] + map[j + 1]) / 2 < x);
                result[first + i] = map[code] * largest + mean;
            }
        }
        return result;
    }
}
