namespace PeftCore.Kernels;

/// <summary>The patches of pictures: squares that do not overlap and cover a picture but for a rest on the right and below.</summary>
/// <param name="Batch">Pictures.</param>
/// <param name="Channels">Channels of a picture.</param>
/// <param name="Height">Rows of pixels.</param>
/// <param name="Width">Columns of pixels.</param>
/// <param name="Size">Rows and columns of a patch.</param>
internal readonly record struct PatchShape(int Batch, int Channels, int Height, int Width, int Size)
{
    /// <summary>Patches in a column.</summary>
    public int Down => Height / Size;

    /// <summary>Patches in a row.</summary>
    public int Across => Width / Size;

    /// <summary>Patches of a picture.</summary>
    public int Count => Down * Across;

    /// <summary>Numbers of a patch.</summary>
    public int Columns => Channels * Size * Size;

    /// <summary>Numbers of all pictures.</summary>
    public long Pixels => (long)Batch * Channels * Height * Width;

    /// <summary>Numbers of all patches.</summary>
    public long Elements => (long)Batch * Count * Columns;

    /// <summary>Whether every pixel is in a patch.</summary>
    public bool IsExact => Height % Size == 0 && Width % Size == 0;
}
