using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>A lane's fragment of a row: eight vectors of eight BF16, each a warp's width from the next, all read before the first is used.
/// Named fields, because an array with an index would leave the registers. Lanes behind the end of the row hold its last vector, which no
/// sum may count.</summary>
internal struct RowFragment
{
    /// <summary>How many vectors a lane holds.</summary>
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

/// <summary>Which vectors of a row a <see cref="RowFragment"/> has.</summary>
internal struct FragmentLayout
{
    /// <summary>The first, from one to the next, and how many a row has.</summary>
    public int First, Step, Vectors;

    public readonly bool Has(int index) => First + (index * Step) < Vectors;

    public readonly int At(int index) => First + (index * Step);

    public readonly int Clamped(int index)
    {
        int at = First + (index * Step);
        return at < Vectors ? at : Vectors - 1;
    }
}
