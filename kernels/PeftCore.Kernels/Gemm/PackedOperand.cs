using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>
/// An operand seen as strips (rows of A, columns of B) by steps of the sum. Either the numbers of one row lie side by side along the
/// steps, or those of one step lie side by side along the strip. Packed beforehand (<paramref name="packedSteps"/> not 0), strips of
/// <paramref name="stride"/> rows follow each other, all steps of one before the next.
/// </summary>
internal readonly unsafe struct PackedOperand(byte* data, ElementType type, nint stride, bool stepsAdjacent, nint packedSteps = 0)
{
    private readonly byte* _data = data;

    public ElementType Type => type;

    public nint Stride => stride;

    /// <summary>Whether a row's numbers run along the steps.</summary>
    public bool StepsAdjacent => stepsAdjacent;

    /// <summary>Whether tiles can read every strip as it lies.</summary>
    public bool IsPrepacked => packedSteps != 0;

    /// <summary>Where a number is; of a packed operand only the first row of a strip can be asked for.</summary>
    public byte* At(nint row, nint step) => _data +
        ((IsPrepacked ? (row * packedSteps) + (step * stride) : stepsAdjacent ? (row * stride) + step : (step * stride) + row) *
            Elements.Size(type));

    /// <summary>Packs rows row … row+used−1 of some steps into a panel.</summary>
    public void Pack(int row, int used, int width, int step, int steps, float* panel)
    {
        switch (type)
        {
            case ElementType.F32:
                Pack<Float32Element>(row, used, width, step, steps, panel);
                break;
            case ElementType.BF16:
                Pack<BFloat16Element>(row, used, width, step, steps, panel);
                break;
            default:
                Pack<Float16Element>(row, used, width, step, steps, panel);
                break;
        }
    }

    /// <summary>The tile of a packed panel of A and this operand as it is stored, its steps not being adjacent.</summary>
    public void Tile<TTile>(int rows, int row, int step, int steps, float* a, float* c, nint ldc, float alpha, bool accumulate)
        where TTile : struct, ITile
    {
        byte* b = At(row, step);
        switch (type)
        {
            case ElementType.F32:
                TTile.Run<Float32Element>(rows, steps, a, TTile.Rows, b, stride, c, ldc, alpha, accumulate);
                break;
            case ElementType.BF16:
                TTile.Run<BFloat16Element>(rows, steps, a, TTile.Rows, b, stride, c, ldc, alpha, accumulate);
                break;
            default:
                TTile.Run<Float16Element>(rows, steps, a, TTile.Rows, b, stride, c, ldc, alpha, accumulate);
                break;
        }
    }

    /// <summary>Asks for one of so many parts of what packing some rows and steps would read.</summary>
    public void Prefetch(int row, int rows, int step, int steps, int part, int parts)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        const int Line = 64;
        if (IsPrepacked)
        {
            byte* start = At(row, step);
            nint whole = steps * stride * Elements.Size(type);
            for (nint at = whole * part / parts; at < whole * (part + 1) / parts; at += Line)
            {
                Sse.Prefetch1(start + at);
            }

            return;
        }

        int lines = stepsAdjacent ? rows : steps, bytes = (stepsAdjacent ? steps : rows) * Elements.Size(type);
        for (int i = (int)((long)lines * part / parts); i < (int)((long)lines * (part + 1) / parts); i++)
        {
            byte* from = stepsAdjacent ? At(row + i, step) : At(row, step + i);
            for (int at = 0; at < bytes; at += Line)
            {
                Sse.Prefetch1(from + at);
            }
        }
    }

    private void Pack<TElement>(int row, int used, int width, int step, int steps, float* panel)
        where TElement : struct, IElement
    {
        if (stepsAdjacent)
        {
            Packing.Transpose<TElement>(At(row, step), stride, used, width, steps, panel);
        }
        else
        {
            Packing.Copy<TElement>(At(row, step), stride, used, width, steps, panel);
        }
    }
}
