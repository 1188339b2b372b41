using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>The product of LLM.int8() (Dettmers et al. 2022): y = (Q(x)·codesᵀ)·scales(x)·scales(W)/127², where the rows of x are quantised
/// as those of W are. Columns of x with a magnitude (rounded to F16) of at least the threshold are multiplied in F32 with the dequantised
/// columns of W. <see cref="RowCodes"/> is the readable twin of one row.</summary>
internal static unsafe class Int8Product
{
    // Rows of W and of x of an item: their codes stay in the second-level cache.
    private const int BlockOfW = 64, BlockOfX = 96;

    // Outlier columns that are multiplied at once, so that their F32 copies stay small.
    private const int OutliersAtOnce = 64;

    /// <summary>y (m×n, row stride ldc) (+)= x·Wᵀ.</summary>
    /// <param name="m">Rows of x.</param>
    /// <param name="x">(m, k)</param>
    /// <param name="w">INT8 (n, k).</param>
    /// <param name="y">(m, n)</param>
    /// <param name="threshold">The threshold of outlier columns; 0 for none.</param>
    /// <param name="accumulate">Add to y.</param>
    /// <param name="pool">The threads.</param>
    public static void Multiply(int m, ReadOnlySpan<float> x, QuantizedMatrix w, Span<float> y, float threshold, bool accumulate,
        WorkerPool pool) => Multiply(m, x, w, y, threshold, accumulate, pool, Int8Tile.Best);

    internal static void Multiply(int m, ReadOnlySpan<float> x, QuantizedMatrix w, Span<float> y, float threshold, bool accumulate,
        WorkerPool pool, Int8Level level)
    {
        int n = w.Rows, k = w.Columns;
        if (m <= 0 || n <= 0)
        {
            return;
        }
        Sizes.AtLeast(x, (long)m * k);
        Sizes.AtLeast<float>(y, (long)m * n);
        int stride = Ranges.Count(k, 64) * 64;
        using var codes = pool.Scratch.Rent(((long)m * stride + sizeof(float) - 1) / sizeof(float) + 2L * m);
        float* scales = codes.Pointer;
        int* sums = (int*)(scales + m);
        fixed (float* px = x, py = y)
        {
            int[] outliers = threshold > 0 ? OutlierColumns(px, m, k, threshold) : [];
            var rows = new QuantizeRows(px, k, (sbyte*)(scales + 2L * m), stride, scales, sums, threshold, outliers, m > 1, pool);
            Ranges.ForRows(m, k, rows, pool);
            var items = new Product(m, w, (sbyte*)(scales + 2L * m), stride, scales, sums, py, accumulate, level);
            pool.For(items.Items, ref items);
            for (int first = 0; first < outliers.Length; first += OutliersAtOnce)
            {
                AddOutliers(m, px, w, outliers.AsSpan(first, Math.Min(OutliersAtOnce, outliers.Length - first)), y, pool);
            }
        }
    }

    /// <summary>Whether a number counts as an outlier.</summary>
    private static bool IsOutlier(float x, float threshold) => Math.Abs((float)(Half)x) >= threshold;

    private static int[] OutlierColumns(float* x, int m, int k, float threshold)
    {
        var columns = new SortedSet<int>();
        // Rounding to F16 changes a number by at most 2⁻¹¹ of it: most rows need no second look. NaN has one.
        float possible = threshold * 0.999f;
        for (int row = 0; row < m; row++, x += k)
        {
            if (LargestMagnitude.Of(new ReadOnlySpan<float>(x, k)) < possible)
            {
                continue;
            }
            for (int column = 0; column < k; column++)
            {
                if (Math.Abs(x[column]) >= possible && IsOutlier(x[column], threshold))
                {
                    columns.Add(column);
                }
            }
        }
        return [.. columns];
    }

    // y += x[:, columns]·dequantised W[:, columns]ᵀ
    private static void AddOutliers(int m, float* x, QuantizedMatrix w, ReadOnlySpan<int> columns, Span<float> y, WorkerPool pool)
    {
        int n = w.Rows, k = w.Columns, count = columns.Length;
        using var scratch = pool.Scratch.Rent((long)(m + n) * count);
        float* a = scratch.Pointer, b = a + (long)m * count;
        for (int j = 0; j < count; j++)
        {
            for (int row = 0; row < m; row++)
            {
                a[(long)row * count + j] = x[(long)row * k + columns[j]];
            }
            for (int row = 0; row < n; row++)
            {
                b[(long)row * count + j] = w.Row(row)[columns[j]] * w.Scales[row] * RowCodes.InverseLargest;
            }
        }
        Gemm.Multiply(m, n, count, Operand.F32(new ReadOnlySpan<float>(a, m * count), count), false,
            Operand.F32(new ReadOnlySpan<float>(b, n * count), count), true, y, n, 1, true, pool);
    }

    private readonly struct QuantizeRows(float* x, int k, sbyte* codes, int stride, float* scales, int* sums, float threshold,
        int[] outliers, bool clearColumns, WorkerPool pool) : IRangeBody
    {
        private readonly float* _x = x, _scales = scales;
        private readonly sbyte* _codes = codes;
        private readonly int* _sums = sums;

        public void Run(int start, int count)
        {
            using var copy = pool.Scratch.Rent(outliers.Length > 0 ? k : 1);
            for (int row = start; row < start + count; row++)
            {
                float* from = _x + (long)row * k;
                sbyte* to = _codes + (long)row * stride;
                if (outliers.Length > 0)
                {
                    new ReadOnlySpan<float>(from, k).CopyTo(new Span<float>(copy.Pointer, k));
                    from = copy.Pointer;
                    foreach (int column in outliers)
                    {
                        from[column] = IsOutlier(from[column], threshold) ? 0 : from[column];
                    }
                }
                _scales[row] = RowCodes.Quantize(new ReadOnlySpan<float>(from, k), new Span<sbyte>(to, k));
                // As bitsandbytes: of several rows, a column with an outlier is left out of all; of one row, only the outlier itself.
                foreach (int column in clearColumns ? outliers : [])
                {
                    to[column] = 0;
                }
                _sums[row] = Sum(to, k / Int8Tile.VnniBytes * Int8Tile.VnniBytes);
            }
        }

        private static int Sum(sbyte* codes, int count)
        {
            var sums = Vector256<int>.Zero;
            for (int i = 0; i < count; i += 16)
            {
                var words = Vector256.WidenLower(Vector256.Create(Vector128.Load(codes + i), Vector128<sbyte>.Zero));
                sums += Vector256.WidenLower(words) + Vector256.WidenUpper(words);
            }
            return Vector256.Sum(sums);
        }
    }

    private readonly struct Product(int m, QuantizedMatrix w, sbyte* x, int stride, float* scales, int* sums, float* y, bool accumulate,
        Int8Level level) : IParallelBody
    {
        private readonly sbyte* _x = x;
        private readonly float* _scales = scales, _y = y;
        private readonly int* _sums = sums;

        public int Items => Ranges.Count(w.Rows, BlockOfW) * Ranges.Count(m, BlockOfX);

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            int blocks = Ranges.Count(m, BlockOfX), firstRow = item % blocks * BlockOfX, firstColumn = item / blocks * BlockOfW;
            int endRow = Math.Min(m, firstRow + BlockOfX), endColumn = Math.Min(w.Rows, firstColumn + BlockOfW);
            for (int column = firstColumn; column < endColumn; column += Int8Tile.RowsOfW)
            {
                for (int row = firstRow; row < endRow; row += Int8Tile.RowsOfX)
                {
                    Tile(row, Math.Min(Int8Tile.RowsOfX, endRow - row), column, Math.Min(Int8Tile.RowsOfW, endColumn - column));
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Tile(int row, int rows, int column, int columns)
        {
            // A missing row repeats another one, and its sums are dropped.
            var tile = new Int8Tile(w.Row(column), w.Row(column + Math.Min(1, columns - 1)), w.Row(column + Math.Min(2, columns - 1)),
                w.Row(column + columns - 1), _x + (long)row * stride, _x + (long)(row + Math.Min(1, rows - 1)) * stride,
                _x + (long)(row + rows - 1) * stride, w.Columns);
            if (rows == 1)
            {
                tile.RunOne(level, out var y);
                Put(row, column, columns, y);
                return;
            }
            tile.Run(level, out var y0, out var y1, out var y2);
            Put(row, column, columns, y0);
            if (rows > 1)
            {
                Put(row + 1, column, columns, y1);
            }
            if (rows > 2)
            {
                Put(row + 2, column, columns, y2);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Put(int row, int column, int columns, Vector128<int> sums)
        {
            float* to = _y + (long)row * w.Rows + column, scale = w.Scales + column;
            sums -= Vector128.Create(level == Int8Level.Vnni ? 128 * _sums[row] : 0);
            if (columns == Int8Tile.RowsOfW)
            {
                var product = Vector128.ConvertToSingle(sums) * (_scales[row] * Vector128.Load(scale)) * RowCodes.ProductFactor;
                (accumulate ? Vector128.Load(to) + product : product).Store(to);
                return;
            }
            for (int j = 0; j < columns; j++)
            {
                float product = sums[j] * (_scales[row] * scale[j]) * RowCodes.ProductFactor;
                to[j] = accumulate ? to[j] + product : product;
            }
        }
    }
}
