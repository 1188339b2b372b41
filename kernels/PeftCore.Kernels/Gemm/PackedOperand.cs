using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>
/// An operand of the packed product: rows (of A, or columns of B) by steps of k. Either the elements of a row are adjacent, or those of a
/// step. A prepacked operand (<paramref name="packedSteps"/> not 0) is a sequence of micro-panels of <paramref name="stride"/> rows, each
/// with all its steps. A quantised operand is dequantised as it is packed.
/// </summary>
internal readonly unsafe struct PackedOperand(byte* data, ElementType type, nint stride, bool stepsAdjacent, nint packedSteps = 0)
{
    private readonly byte* _data = data;
    private readonly QuantizedMatrix* _quantized;

    /// <summary>A quantised operand.</summary>
    /// <param name="matrix">The matrix, at an address that stays until the product is done.</param>
    /// <param name="stepsAdjacent">Whether rows of the matrix are rows of the operand; else they are its steps.</param>
    public PackedOperand(QuantizedMatrix* matrix, bool stepsAdjacent) : this(null, ElementType.F32, matrix->Columns, stepsAdjacent) =>
        _quantized = matrix;

    public ElementType Type => type;

    public nint Stride => stride;

    /// <summary>Whether the elements of a row are adjacent.</summary>
    public bool StepsAdjacent => stepsAdjacent;

    /// <summary>Whether the operand was packed before, so that tiles read it in place.</summary>
    public bool IsPrepacked => packedSteps != 0;

    /// <summary>Whether the operand is quantised, so that its elements have no address.</summary>
    public bool IsQuantized => _quantized != null;

    /// <summary>Address of an element; for a prepacked operand, row must be the first of a micro-panel.</summary>
    public byte* At(nint row, nint step) => _data +
        ((IsPrepacked ? (row * packedSteps) + (step * stride) : stepsAdjacent ? (row * stride) + step : (step * stride) + row) *
            Elements.Size(type));

    /// <summary>Packs rows row … row + used − 1 over some steps into a micro-panel of <paramref name="width"/> rows, in float32.</summary>
    public void Pack(int row, int used, int width, int step, int steps, float* panel)
    {
        if (IsQuantized)
        {
            QuantizedPacking.Pack(_quantized, stepsAdjacent, row, used, width, step, steps, panel);
            return;
        }
        ElementDispatch.Run(type, new PackAction(this, row, used, width, step, steps, panel));
    }

    /// <summary>The quantised matrix; null for other operands.</summary>
    public QuantizedMatrix* Quantized => _quantized;

    /// <summary>Dequantises some steps of a row whose elements are adjacent.</summary>
    public void LoadRow(int row, int step, int steps, float* into) => QuantizedRun.Load(_quantized, row, step, steps, into);

    /// <summary>Computes the tile of a packed micro-panel of A and of this operand in place, whose steps must not be adjacent.</summary>
    public void Tile<TTile>(int rows, int row, int step, int steps, float* a, float* c, nint ldc, float alpha, bool accumulate)
        where TTile : struct, ITile =>
        ElementDispatch.Run(type, new TileAction<TTile>(rows, steps, a, At(row, step), stride, c, ldc, alpha, accumulate));

    /// <summary>Prefetches part <paramref name="part"/> of <paramref name="parts"/> of the elements that packing these rows and steps would
    /// read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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

        int lines = stepsAdjacent ? rows : steps, numbers = stepsAdjacent ? steps : rows;
        int bytes = IsQuantized ? numbers * _quantized->CodeBits / 8 : numbers * Elements.Size(type);
        for (int i = (int)((long)lines * part / parts); i < (int)((long)lines * (part + 1) / parts); i++)
        {
            int lineRow = stepsAdjacent ? row + i : row, lineStep = stepsAdjacent ? step : step + i;
            byte* from = IsQuantized ? CodeAt(lineRow, lineStep) : At(lineRow, lineStep);
            for (int at = 0; at < bytes; at += Line)
            {
                Sse.Prefetch1(from + at);
            }
        }
    }

    private byte* CodeAt(nint row, nint step) =>
        _quantized->Codes + ((stepsAdjacent ? (row * stride) + step : (step * stride) + row) * _quantized->CodeBits / 8);

    private readonly struct PackAction(PackedOperand operand, int row, int used, int width, int step, int steps, float* panel)
        : IElementAction
    {
        private readonly float* _panel = panel;

        public void Run<TElement>()
            where TElement : struct, IElement
        {
            byte* from = operand.At(row, step);
            if (operand.StepsAdjacent)
            {
                Packing.Transpose<TElement>(from, operand.Stride, used, width, steps, _panel);
            }
            else
            {
                Packing.Copy<TElement>(from, operand.Stride, used, width, steps, _panel);
            }
        }
    }

    private readonly struct TileAction<TTile>(int rows, nint steps, float* a, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate) : IElementAction
        where TTile : struct, ITile
    {
        private readonly float* _a = a, _c = c;
        private readonly byte* _b = b;

        public void Run<TElement>()
            where TElement : struct, IElement =>
            TTile.Run<TElement>(rows, steps, _a, TTile.Rows, _b, bStep, _c, ldc, alpha, accumulate);
    }
}
