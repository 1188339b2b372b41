using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>A quantised row-major matrix by address: its codes, and the scales in F32 or quantised themselves.</summary>
/// <param name="kind">The codes.</param>
/// <param name="blockSize">Numbers of a block, a power of two, which may cross rows; 0 where a block is a row.</param>
/// <param name="rows">Rows.</param>
/// <param name="columns">Columns.</param>
/// <param name="codes">The codes.</param>
/// <param name="scales">The F32 scales; null with double quantisation.</param>
/// <param name="doubled">The quantised scales, with double quantisation.</param>
internal readonly unsafe struct QuantizedMatrix(QuantizedKind kind, int blockSize, int rows, int columns, byte* codes, float* scales,
    QuantizedScales doubled)
{
    private readonly byte* _codes = codes;
    private readonly float* _scales = scales;

    public QuantizedKind Kind => kind;

    public int BlockSize => blockSize;

    /// <summary>log₂ of the block size.</summary>
    public int BlockShift { get; } = BitOperations.Log2((uint)blockSize);

    public int Rows => rows;

    public int Columns => columns;

    public long Count => (long)rows * columns;

    /// <summary>Number of scales.</summary>
    public long BlockCount => blockSize == 0 ? rows : (Count + blockSize - 1) / blockSize;

    public byte* Codes => _codes;

    /// <summary>The F32 scales; null with double quantisation.</summary>
    public float* Scales => _scales;

    /// <summary>The quantised scales.</summary>
    public QuantizedScales Doubled => doubled;

    /// <summary>Whether the scales are quantised.</summary>
    public bool IsDoubled => _scales == null;

    /// <summary>The codes of a row of INT8.</summary>
    public sbyte* Row(int row) => (sbyte*)_codes + (long)row * columns;

    /// <summary>Bits of a code.</summary>
    public int CodeBits => kind == QuantizedKind.Int8 ? 8 : 4;

    /// <summary>The scale of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float ScaleOf(long block) => _scales != null ? _scales[block] : doubled[block];
}

/// <summary>Scales as bytes of the dynamic map, in blocks with one F32 scale each, and the mean that is added to all.</summary>
/// <param name="codes">A byte for each scale.</param>
/// <param name="scales">The scales of blocks of scales.</param>
/// <param name="mean">The mean.</param>
/// <param name="blockSize">Scales of a block, a power of two.</param>
internal readonly unsafe struct QuantizedScales(byte* codes, float* scales, float* mean, int blockSize)
{
    private readonly byte* _codes = codes;
    private static readonly float* _map = FixedTable.Of(DynamicMap.Signed.Values);
    private readonly int _shift = BitOperations.Log2((uint)blockSize);

    private readonly float* _scales = scales, _mean = mean;

    public byte* Codes => _codes;

    public float* Scales => _scales;

    public float* Mean => _mean;

    public int BlockSize => blockSize;

    /// <summary>One scale in F32.</summary>
    public float this[long block]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _map[_codes[block]] * _scales[block >> _shift] + *_mean;
    }

    /// <summary>Reads the scales of adjacent blocks, so that a loop over codes has no branch or call: those would keep its vectors in
    /// memory.</summary>
    /// <returns><paramref name="into"/>.</returns>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public float* Load(long first, int count, float* into)
    {
        float* map = _map;
        byte* codes = _codes + first;
        float mean = *_mean;
        for (int i = 0; i < count; i++)
        {
            into[i] = map[codes[i]] * _scales[(first + i) >> _shift] + mean;
        }
        return into;
    }
}
