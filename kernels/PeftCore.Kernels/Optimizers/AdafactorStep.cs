using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>One Adafactor step of a parameter, see <see cref="AdafactorFactors"/>. Sums over blocks of a fixed size are added in order, so
/// that the result does not depend on the number of threads.</summary>
internal static unsafe class AdafactorStep
{
    /// <summary>The addresses and extents of a parameter's tensors.</summary>
    /// <param name="Parameter">(matrices, rows, columns)</param>
    /// <param name="Gradient">(matrices, rows, columns)</param>
    /// <param name="Row">The moments of the rows (matrices, rows), or of each element if there are no moments of columns.</param>
    /// <param name="Column">(matrices, columns), or null for a parameter that is no matrix: it has as many rows as elements.</param>
    /// <param name="Matrices">Number of matrices, each of which has its own moments; the update is clipped for all together.</param>
    /// <param name="Rows">Rows of a matrix.</param>
    /// <param name="Columns">Columns of a matrix.</param>
    internal readonly record struct Operands(nint Parameter, nint Gradient, nint Row, nint Column, int Matrices, int Rows, int Columns);

    public static void Run(in AdafactorFactors f, in Operands x, WorkerPool pool)
    {
        if (x.Matrices == 0 || x.Rows == 0 || x.Columns == 0)
        {
            return;
        }

        if (x.Column == 0)
        {
            StepVector(f, x, pool);
            return;
        }

        // 1. The moments; the inverse roots of those of the columns; and the sum of the squares of the updates.
        long size = (long)x.Rows * x.Columns;
        float[] inverse = ArrayPool<float>.Shared.Rent(x.Matrices * x.Columns), means = ArrayPool<float>.Shared.Rent(x.Matrices);
        double squares = 0;
        fixed (float* pi = inverse)
        {
            for (int i = 0; i < x.Matrices; i++)
            {
                float* g = (float*)x.Gradient + (i * size), row = (float*)x.Row + ((long)i * x.Rows);
                float* column = (float*)x.Column + ((long)i * x.Columns), scales = pi + ((long)i * x.Columns);
                Ranges.ForRows(x.Rows, x.Columns, new RowMoments(f, g, row, x.Columns), pool);
                RowSums.Add(new SquareTerm(g, x.Columns), scales, x.Rows, x.Columns, accumulate: false, pool);
                for (int c = 0; c < x.Columns; c++)
                {
                    column[c] = f.Moment(column[c], scales[c] / x.Rows);
                    scales[c] = 1 / MathF.Sqrt(column[c]);
                }

                means[i] = Simd.Sum(row, x.Rows) / x.Rows;
                squares += Squares(g, row, scales, means[i], x, pool);
            }

            // 2. The values, by an update that is clipped for all matrices together.
            float step = f.StepSize((float)(squares * f.Gradient * f.Gradient), (float)(x.Matrices * (double)size)) * f.Gradient;
            for (int i = 0; i < x.Matrices; i++)
            {
                Ranges.ForRows(x.Rows, x.Columns, new Update((float*)x.Parameter + (i * size), (float*)x.Gradient + (i * size),
                    (float*)x.Row + ((long)i * x.Rows), pi + ((long)i * x.Columns), means[i], step, f.Keep, x.Columns), pool);
            }
        }

        ArrayPool<float>.Shared.Return(inverse);
        ArrayPool<float>.Shared.Return(means);
    }

    private static void StepVector(in AdafactorFactors f, in Operands x, WorkerPool pool)
    {
        float* p = (float*)x.Parameter, g = (float*)x.Gradient, v = (float*)x.Row;
        int blocks = Ranges.Count(x.Rows, Ranges.Elements);
        float[] partial = ArrayPool<float>.Shared.Rent(blocks);
        Ranges.For(x.Rows, new VectorMoments(f, g, v, partial), pool);
        float step = f.StepSize((float)(Sum(partial, blocks) * f.Gradient * f.Gradient), x.Rows) * f.Gradient;
        Ranges.For(x.Rows, new VectorUpdate(p, g, v, step, f.Keep), pool);
        ArrayPool<float>.Shared.Return(partial);
    }

    private static double Squares(float* g, float* row, float* scales, float mean, in Operands x, WorkerPool pool)
    {
        int run = Math.Max(1, Ranges.Elements / x.Columns), blocks = Ranges.Count(x.Rows, run);
        float[] partial = ArrayPool<float>.Shared.Rent(blocks);
        Ranges.ForRows(x.Rows, x.Columns, new RowSquares(g, row, scales, mean, x.Columns, run, partial), pool);
        double sum = Sum(partial, blocks);
        ArrayPool<float>.Shared.Return(partial);
        return sum;
    }

    private static double Sum(float[] partial, int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += partial[i];
        }

        return sum;
    }

    private readonly struct SquareTerm(float* x, int columns) : IRowTerm
    {
        private readonly float* _x = x;

        public Vector<float> At(int row, int col) => Square(Vector.Load(_x + ((long)row * columns) + col));

        public Vector<float> PartAt(int row, int col, int count) => Square(Simd.LoadPart(_x + ((long)row * columns) + col, count));

        private static Vector<float> Square(Vector<float> x) => x * x;
    }

    private readonly struct RowMoments(AdafactorFactors f, float* g, float* row, int columns) : IRangeBody
    {
        private readonly float* _g = g, _row = row;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* g = _g + ((long)r * columns);
                _row[r] = f.Moment(_row[r], Simd.Dot(g, g, columns) / columns);
            }
        }
    }

    /// <summary>partial[block] = Σ (g/√(r/mean·c))².</summary>
    private readonly struct RowSquares(float* g, float* row, float* scales, float mean, int columns, int run, float[] partial) : IRangeBody
    {
        private readonly float* _g = g, _row = row, _scales = scales;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            float sum = 0;
            for (int r = start; r < start + count; r++)
            {
                float* g = _g + ((long)r * columns);
                Vector<float> squares = default;
                for (int c = 0; c < columns; c += Simd.Width)
                {
                    var u = Load(g + c, columns - c) * Load(_scales + c, columns - c);
                    squares += u * u;
                }

                sum += Vector.Sum(squares) / (_row[r] / mean);
            }

            partial[start / run] = sum;
        }
    }

    private readonly struct Update(float* p, float* g, float* row, float* scales, float mean, float step, float keep, int columns)
        : IRangeBody
    {
        private readonly float* _p = p, _g = g, _row = row, _scales = scales;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* p = _p + ((long)r * columns), g = _g + ((long)r * columns);
                float rate = step / MathF.Sqrt(_row[r] / mean);
                for (int c = 0; c < columns; c += Simd.Width)
                {
                    int n = columns - c;
                    Store((Load(p + c, n) * keep) - (Load(g + c, n) * Load(_scales + c, n) * rate), p + c, n);
                }
            }
        }
    }

    /// <summary>v = βv + (1 − β)(g² + ε₁); partial[block] = Σ g²/v.</summary>
    private readonly struct VectorMoments(AdafactorFactors f, float* g, float* v, float[] partial) : IRangeBody
    {
        private readonly float* _g = g, _v = v;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            float sum = 0;
            for (int i = start; i < start + count; i++)
            {
                float square = _g[i] * _g[i];
                _v[i] = f.Moment(_v[i], square);
                sum += square / _v[i];
            }

            partial[start / Ranges.Elements] = sum;
        }
    }

    private readonly struct VectorUpdate(float* p, float* g, float* v, float step, float keep) : IRangeBody
    {
        private readonly float* _p = p, _g = g, _v = v;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int i = start; i < start + count; i += Simd.Width)
            {
                int n = start + count - i;
                var update = Load(_g + i, n) / Vector.SquareRoot(Load(_v + i, n)); // NaN beyond the end is not stored.
                Store((Load(_p + i, n) * keep) - (update * step), _p + i, n);
            }
        }
    }

    private static Vector<float> Load(float* x, int n) => n >= Simd.Width ? Vector.Load(x) : Simd.LoadPart(x, n);

    private static void Store(Vector<float> value, float* x, int n)
    {
        if (n >= Simd.Width)
        {
            value.Store(x);
        }
        else
        {
            Simd.StorePart(value, x, n);
        }
    }
}
