namespace PeftCore.Kernels;

/// <summary>
/// The innermost product: a tile of C from a panel of A (Rows numbers a step) and a strip of B (Columns numbers a step). Steps are aStep
/// and bStep apart: Rows and Columns where packed, more where the operand is read as it is stored.
/// </summary>
internal unsafe interface ITile
{
    /// <summary>The width of a panel of A; always a multiple of 4.</summary>
    static abstract int Rows { get; }

    /// <summary>The width of a strip of B; always a multiple of 4.</summary>
    static abstract int Columns { get; }

    /// <summary>
    /// C (+)= alpha·panel·strip. Writes the first ⌈rows/4⌉·4 rows at least and Rows at most, and all Columns; a caller with less room
    /// gives a buffer of its own as C.
    /// </summary>
    static abstract void Run<TElement>(int rows, nint steps, float* a, nint aStep, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate)
        where TElement : struct, IElement;
}

/// <summary>A number of rows as a type, so that a kernel is compiled for each.</summary>
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
