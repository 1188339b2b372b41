using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>A lane's share of a row: eight eights, each a warp's width from the next, all read before the first is used. Named fields, because an array
/// with an index would leave the registers. Lanes behind the end of the row hold its last eight, which nothing may count.</summary>
internal struct Octet
{
    /// <summary>How many eights a lane holds.</summary>
    public const int Count = 8;

    public Eight A, B, C, D, E, F, G, H;

    public static Octet Read(ArrayView<Eight> from, long row, RowPart part) => new()
    {
        A = from[row + part.Clamped(0)], B = from[row + part.Clamped(1)], C = from[row + part.Clamped(2)], D = from[row + part.Clamped(3)],
        E = from[row + part.Clamped(4)], F = from[row + part.Clamped(5)], G = from[row + part.Clamped(6)], H = from[row + part.Clamped(7)],
    };
}

/// <summary>Which eights of a row an <see cref="Octet"/> has.</summary>
internal struct RowPart
{
    /// <summary>The first, from one to the next, and how many a row has.</summary>
    public int First, Step, Eights;

    public readonly bool Has(int index) => First + (index * Step) < Eights;

    public readonly int At(int index) => First + (index * Step);

    public readonly int Clamped(int index)
    {
        int at = First + (index * Step);
        return at < Eights ? at : Eights - 1;
    }
}
