namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>A sum of products of BF16 operands as the tensor cores see it: results of one height, beside each other.</summary>
internal readonly ref struct GemmProblem
{
    /// <summary>Rows of each result.</summary>
    public required int M { get; init; }

    /// <summary>Columns of each result.</summary>
    public required ReadOnlySpan<int> Widths { get; init; }

    /// <summary>Stages of K behind every element.</summary>
    public required int Steps { get; init; }

    /// <summary>A is stored (K, M).</summary>
    public required bool TransposeA { get; init; }

    /// <summary>B is stored (K, N).</summary>
    public required bool RowMajorB { get; init; }

    /// <summary>Results are BF16 rather than F32.</summary>
    public bool Bf16Result { get; init; }

    /// <summary>Bytes of which each result's address is a multiple.</summary>
    public required int Alignment { get; init; }

    /// <summary>Bᵀ·Aᵀ may be computed instead, and its result written transposed (swap-AB).</summary>
    public bool MaySwapAB { get; init; }
}
