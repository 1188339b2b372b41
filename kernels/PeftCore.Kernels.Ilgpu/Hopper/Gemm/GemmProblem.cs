namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>One launch on the tensor cores: results of one height, each a sum of products of BF16 operands.</summary>
internal readonly ref struct GemmProblem
{
    /// <summary>Rows of each result.</summary>
    public required int M { get; init; }

    /// <summary>Columns of each result.</summary>
    public required ReadOnlySpan<int> Widths { get; init; }

    /// <summary>Stages of K that are summed for each element.</summary>
    public required int Steps { get; init; }

    /// <summary>A is stored (K, M).</summary>
    public required bool TransposeA { get; init; }

    /// <summary>B is stored (K, N).</summary>
    public required bool RowMajorB { get; init; }

    /// <summary>Results are BF16 rather than F32.</summary>
    public bool Bf16Result { get; init; }

    /// <summary>A number of bytes that divides each result's address.</summary>
    public required int Alignment { get; init; }

    /// <summary>The rows of A are patches of a convolution's input; there is one result, whose K is not split.</summary>
    public bool GathersPatches { get; init; }

    /// <summary>Whether Bᵀ·Aᵀ may be computed instead, and written transposed (swap-AB).</summary>
    public bool MaySwapAB { get; init; }
}
