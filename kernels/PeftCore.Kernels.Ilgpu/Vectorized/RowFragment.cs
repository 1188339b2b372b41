using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>A lane's fragment of a row: eight vectors of eight BF16, one warp's width apart, all loaded before the first is used. Named
/// fields, because an indexed array would be in local memory. Lanes beyond the end of the row hold its last vector, which sums must not
/// count.</summary>
internal struct RowFragment
{
    /// <summary>Vectors of a lane.</summary>
    public const int Count = 8;

    public Bf16x8 A, B, C, D, E, F, G, H;

    public static RowFragment Read(ArrayView<Bf16x8> from, long row, FragmentLayout layout) => new()
    {
        A = from[row + layout.Clamped(0)], B = from[row + layout.Clamped(1)], C = from[row + layout.Clamped(2)],
        D = from[row + layout.Clamped(3)],
        E = from[row + layout.Clamped(4)], F = from[row + layout.Clamped(5)], G = from[row + layout.Clamped(6)],
        H = from[row + layout.Clamped(7)],
    };
}

/// <summary>The vectors of a row that a <see cref="RowFragment"/> holds.</summary>
internal struct FragmentLayout
{
    /// <summary>Index of the first, step to the next, and vectors of the row.</summary>
    public int First, Step, Vectors;

    public readonly bool Has(int index) => First + (index * Step) < Vectors;

    public readonly int At(int index) => First + (index * Step);

    public readonly int Clamped(int index)
    {
        int at = First + (index * Step);
        return at < Vectors ? at : Vectors - 1;
    }
}
