using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>The gated unit of experts times the routing weight: h[p, i] = w[order[p]]·f(gate, up) with gate and up in one row of
/// x.</summary>
internal static unsafe class RoutedGlu
{
    private const int Block = 64; // columns at once: a whole number of vectors of any width

    /// <summary>h[p, :] = weights[order[p]]·f(x[p, :]).</summary>
    /// <param name="x">(rows, 2·columns)</param>
    /// <param name="weights">(rows), by pair.</param>
    /// <param name="order">(rows), the pair of each row.</param>
    /// <param name="h">(rows, columns)</param>
    /// <param name="rows">Pairs.</param>
    /// <param name="columns">Columns of h.</param>
    /// <param name="pool">The threads.</param>
    public static void Forward<TGlu>(ReadOnlySpan<float> x, ReadOnlySpan<float> weights, ReadOnlySpan<int> order, Span<float> h, int rows,
        int columns, WorkerPool pool) where TGlu : struct, IGluFormula
    {
        Sizes.AtLeast(x, 2L * rows * columns);
        Sizes.AtLeast<float>(h, (long)rows * columns);
        Check(weights, order, rows);
        fixed (float* px = x, pw = weights, ph = h)
        fixed (int* po = order)
        {
            Ranges.ForRows(rows, columns, new ForwardBody<TGlu>(px, pw, po, ph, columns), pool);
        }
    }

    /// <summary>dx[p, :] = w·dh[p, :]·f′(x[p, :]), which may overwrite x, and dweights[order[p]] (+)= Σ_i dh[p, i]·f(x[p, i]). Either may
    /// be empty.</summary>
    public static void Gradient<TGlu>(ReadOnlySpan<float> x, ReadOnlySpan<float> weights, ReadOnlySpan<int> order, ReadOnlySpan<float> dh,
        Span<float> dx, Span<float> dWeights, bool accumulate, int rows, int columns, WorkerPool pool) where TGlu : struct, IGluFormula
    {
        Sizes.AtLeast(x, 2L * rows * columns);
        Sizes.AtLeast(dh, (long)rows * columns);
        Check(weights, order, rows);
        fixed (float* px = x, pw = weights, pd = dh, pdx = dx, pdw = dWeights)
        fixed (int* po = order)
        {
            GradientBody<TGlu> body = new(px, pw, po, pd, dx.IsEmpty ? null : pdx, dWeights.IsEmpty ? null : pdw, accumulate, columns);
            Ranges.ForRows(rows, columns, body, pool);
        }
    }

    private static void Check(ReadOnlySpan<float> weights, ReadOnlySpan<int> order, int rows)
    {
        Sizes.AtLeast(weights, rows);
        Sizes.AtLeast(order, rows);
    }

    /// <summary>Copies some gates and ups of a row into two blocks.</summary>
    private static void Split<TGlu>(float* row, int columns, int first, int count, float* gate, float* up) where TGlu : struct, IGluFormula
    {
        for (int i = 0; i < count; i++)
        {
            gate[i] = TGlu.IsInterleaved ? row[2 * (first + i)] : row[first + i];
            up[i] = TGlu.IsInterleaved ? row[(2 * (first + i)) + 1] : row[columns + first + i];
        }
    }

    private readonly struct ForwardBody<TGlu>(float* x, float* weights, int* order, float* h, int columns) : IRangeBody
        where TGlu : struct, IGluFormula
    {
        private readonly float* _x = x, _weights = weights, _h = h;
        private readonly int* _order = order;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            float* gate = stackalloc float[3 * Block];
            float* up = gate + Block, result = up + Block;
            for (int p = start; p < start + count; p++)
            {
                Vector<float> weight = new(_weights[_order[p]]);
                for (int first = 0; first < columns; first += Block)
                {
                    int some = Math.Min(Block, columns - first);
                    Split<TGlu>(_x + (2L * p * columns), columns, first, some, gate, up);
                    for (int i = 0; i < some; i += Vector<float>.Count)
                    {
                        (TGlu.Forward(Vector.Load(gate + i), Vector.Load(up + i)) * weight).Store(result + i);
                    }

                    new Span<float>(result, some).CopyTo(new Span<float>(_h + ((long)p * columns) + first, some));
                }
            }
        }
    }

    private readonly struct GradientBody<TGlu>(float* x, float* weights, int* order, float* dh, float* dx, float* dWeights, bool accumulate,
        int columns) : IRangeBody
        where TGlu : struct, IGluFormula
    {
        private readonly float* _x = x, _weights = weights, _dh = dh, _dx = dx, _dWeights = dWeights;
        private readonly int* _order = order;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            float* gate = stackalloc float[3 * Block];
            float* up = gate + Block, d = up + Block;
            for (int p = start; p < start + count; p++)
            {
                Vector<float> weight = new(_weights[_order[p]]), dot = default;
                for (int first = 0; first < columns; first += Block)
                {
                    int some = Math.Min(Block, columns - first);
                    Split<TGlu>(_x + (2L * p * columns), columns, first, some, gate, up);
                    new Span<float>(_dh + ((long)p * columns) + first, some).CopyTo(new Span<float>(d, some));
                    new Span<float>(d + some, Block - some).Clear(); // Adds nothing to the dot product.
                    new Span<float>(gate + some, Block - some).Clear();
                    new Span<float>(up + some, Block - some).Clear();
                    for (int i = 0; i < some; i += Vector<float>.Count)
                    {
                        Vector<float> g = Vector.Load(gate + i), u = Vector.Load(up + i), dy = Vector.Load(d + i);
                        dot += dy * TGlu.Forward(g, u);
                        (dy * weight * TGlu.GateDerivative(g, u)).Store(gate + i);
                        (dy * weight * TGlu.UpDerivative(g, u)).Store(up + i);
                    }

                    if (_dx != null)
                    {
                        Join(_dx + (2L * p * columns), first, some, gate, up);
                    }
                }

                if (_dWeights != null)
                {
                    float* to = _dWeights + _order[p];
                    *to = (accumulate ? *to : 0) + Vector.Sum(dot);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Join(float* row, int first, int count, float* gate, float* up)
        {
            for (int i = 0; i < count; i++)
            {
                row[TGlu.IsInterleaved ? 2 * (first + i) : first + i] = gate[i];
                row[TGlu.IsInterleaved ? (2 * (first + i)) + 1 : columns + first + i] = up[i];
            }
        }
    }
}
