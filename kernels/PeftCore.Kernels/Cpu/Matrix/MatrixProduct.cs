namespace PeftCore.Kernels;

/// <summary>
/// An operand seen as strips (rows of op(A), columns of op(B)) by steps of the sum. Either the numbers of one strip's row lie side by side
/// along the steps, or those of one step lie side by side along the strip.
/// </summary>
internal readonly unsafe struct Strips(byte* data, ElementType type, nint stride, bool stepsAdjacent)
{
    private readonly byte* _data = data;

    public ElementType Type => type;

    public nint Stride => stride;

    /// <summary>Whether a row's numbers run along the steps.</summary>
    public bool StepsAdjacent => stepsAdjacent;

    public byte* At(nint row, nint step) => _data + ((stepsAdjacent ? (row * stride) + step : (step * stride) + row) * Elements.Size(type));

    /// <summary>Packs rows row … row+used−1 of some steps into a panel.</summary>
    public void Pack(int row, int used, int width, int step, int steps, float* panel)
    {
        switch (type)
        {
            case ElementType.F32:
                Pack<StoredF32>(row, used, width, step, steps, panel);
                break;
            case ElementType.BF16:
                Pack<StoredBF16>(row, used, width, step, steps, panel);
                break;
            default:
                Pack<StoredF16>(row, used, width, step, steps, panel);
                break;
        }
    }

    private void Pack<TStored>(int row, int used, int width, int step, int steps, float* panel)
        where TStored : struct, IStored
    {
        if (stepsAdjacent)
        {
            Packing.Transpose<TStored>(At(row, step), stride, used, width, steps, panel);
        }
        else
        {
            Packing.Copy<TStored>(At(row, step), stride, used, width, steps, panel);
        }
    }
}

/// <summary>All a product needs to know, by address.</summary>
internal readonly unsafe struct MatrixProduct(int m, int n, int k, Strips a, Strips b, float* c, nint ldc, float alpha, bool accumulate)
{
    public readonly int M = m, N = n, K = k;
    public readonly Strips A = a, B = b;
    public readonly float* C = c;
    public readonly nint Ldc = ldc;
    public readonly float Alpha = alpha;
    public readonly bool Accumulate = accumulate;
}
