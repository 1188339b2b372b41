namespace PeftCore.Kernels;

/// <summary>
/// The micro-kernel: a tile of C from a panel of A (Rows elements per step of k) and a strip of B (Columns elements per step); BLIS calls
/// both micro-panels. Steps are aStep and bStep elements apart: Rows and Columns if packed, more if the operand is read in place.
/// </summary>
internal unsafe interface ITile
{
    /// <summary>Rows of a tile, and width of a panel of A; a multiple of 4.</summary>
    static abstract int Rows { get; }

    /// <summary>Columns of a tile, and width of a strip of B; a multiple of 4.</summary>
    static abstract int Columns { get; }

    /// <summary>
    /// C (+)= alpha·panel·strip. Writes between ⌈rows/4⌉·4 and Rows rows, and all Columns; if C is smaller, the caller passes a buffer and
    /// copies from it.
    /// </summary>
    static abstract void Run<TElement>(int rows, nint steps, float* a, nint aStep, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate)
        where TElement : struct, IElement;
}

/// <summary>A number of rows as a type argument, so that the loop is compiled for each.</summary>
internal interface IRows
{
    static abstract int Count { get; }
}

internal readonly struct Rows4 : IRows
{
    public static int Count => 4;
}

internal readonly struct Rows8 : IRows
{
    public static int Count => 8;
}

internal readonly struct Rows12 : IRows
{
    public static int Count => 12;
}
