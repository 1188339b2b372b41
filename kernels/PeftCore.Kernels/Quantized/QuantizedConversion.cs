namespace PeftCore.Kernels;

/// <summary>Quantises and dequantises whole matrices of any size on all threads, a piece at a time: no F32 copy is made.</summary>
internal static unsafe class QuantizedConversion
{
    // Numbers of a piece: 64 KiB of F32, a multiple of all block sizes.
    private const int Piece = 16384;

    // Blocks of scales that a thread quantises at once.
    private const int ScaleBlocks = 16;

    /// <summary>Quantises x, row-major numbers of any element type.</summary>
    public static void Quantize(byte* x, ElementType type, QuantizedMatrix to, WorkerPool pool)
    {
        if (to.Kind == QuantizedKind.Int8)
        {
            Ranges.For(to.Rows, new QuantizeRows(x, type, to, pool), pool, Math.Max(1, Piece / Math.Max(1, to.Columns)));
            return;
        }
        if (!to.IsDoubled)
        {
            Ranges.For(Pieces(to), new QuantizeBlocks(x, type, to, to.Scales, pool), pool, 1);
            return;
        }
        using var scales = pool.Scratch.Rent(to.BlockCount);
        Ranges.For(Pieces(to), new QuantizeBlocks(x, type, to, scales.Pointer, pool), pool, 1);
        int count = (int)to.BlockCount;
        *to.Doubled.Mean = ScaleCodes.Mean(new(scales.Pointer, count));
        Ranges.For(Ranges.Count(count, to.Doubled.BlockSize), new QuantizeScales(scales.Pointer, count, to.Doubled), pool, ScaleBlocks);
    }

    /// <summary>y = the numbers of a quantised matrix, rounded to any element type.</summary>
    public static void Dequantize(QuantizedMatrix from, byte* y, ElementType type, WorkerPool pool) =>
        Ranges.For(Pieces(from), new DequantizePiece(from, y, type, pool), pool, 1);

    private static int Pieces(in QuantizedMatrix matrix) => (int)((matrix.Count + Piece - 1) / Piece);

    private readonly struct QuantizeRows(byte* x, ElementType type, QuantizedMatrix to, WorkerPool pool) : IRangeBody
    {
        private readonly byte* _x = x;

        public void Run(int start, int count)
        {
            int columns = to.Columns;
            using var numbers = pool.Scratch.Rent(columns);
            for (int row = start; row < start + count; row++)
            {
                Elements.ToFloat(_x + (long)row * columns * Elements.Size(type), type, numbers.Pointer, columns);
                to.Scales[row] = RowCodes.Quantize(new(numbers.Pointer, columns), new(to.Row(row), columns));
            }
        }
    }

    private readonly struct QuantizeBlocks(byte* x, ElementType type, QuantizedMatrix to, float* scales, WorkerPool pool) : IRangeBody
    {
        private readonly byte* _x = x;
        private readonly float* _scales = scales;

        public void Run(int start, int count)
        {
            using var numbers = pool.Scratch.Rent(Piece);
            for (int piece = start; piece < start + count; piece++)
            {
                long first = (long)piece * Piece;
                int length = (int)Math.Min(Piece, to.Count - first);
                Elements.ToFloat(_x + first * Elements.Size(type), type, numbers.Pointer, length);
                FourBitCodes.Quantize(new(numbers.Pointer, length), to.Kind, to.BlockSize, new(to.Codes + first / 2, (length + 1) / 2),
                    new(_scales + first / to.BlockSize, Ranges.Count(length, to.BlockSize)));
            }
        }
    }

    private readonly struct QuantizeScales(float* scales, int scaleCount, QuantizedScales to) : IRangeBody
    {
        private readonly float* _scales = scales;

        public void Run(int start, int count)
        {
            int first = start * to.BlockSize, length = Math.Min(count * to.BlockSize, scaleCount - first);
            ScaleCodes.Quantize(new(_scales + first, length), *to.Mean, to.BlockSize, new(to.Codes + first, length),
                new(to.Scales + start, count));
        }
    }

    private readonly struct DequantizePiece(QuantizedMatrix from, byte* y, ElementType type, WorkerPool pool) : IRangeBody
    {
        private readonly byte* _y = y;

        public void Run(int start, int count)
        {
            using var numbers = pool.Scratch.Rent(Piece);
            for (int piece = start; piece < start + count; piece++)
            {
                long first = (long)piece * Piece;
                int length = (int)Math.Min(Piece, from.Count - first);
                var matrix = from;
                QuantizedRun.Load(&matrix, first, length, numbers.Pointer);
                ElementDispatch.Run(type, new Store(numbers.Pointer, _y + first * Elements.Size(type), length));
            }
        }
    }

    private readonly struct Store(float* x, byte* y, int count) : IElementAction
    {
        private readonly float* _x = x;
        private readonly byte* _y = y;

        public void Run<TElement>()
            where TElement : struct, IElement => TElement.FromFloat(_x, _y, count);
    }
}
