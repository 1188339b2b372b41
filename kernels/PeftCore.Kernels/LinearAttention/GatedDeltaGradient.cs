using System.Runtime.CompilerServices;
using System.Numerics.Tensors;

namespace PeftCore.Kernels;

/// <summary>Gradients of <see cref="GatedDelta"/>, exact: states are recomputed from those at the starts of chunks. With the gradient D of
/// the state after a token: D += q·doᵀ, dδ = Dᵀk, du = −β·dδ, D′ = D + k·duᵀ, and D = eᵍ·D′ before the token.</summary>
internal static unsafe class GatedDeltaGradient
{
    /// <summary>Computes the gradients; an output that is empty is not computed.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="t">The operands.</param>
    /// <param name="dO">As the output.</param>
    /// <param name="d">The gradients of the operands, each of its operand's shape.</param>
    /// <param name="pool">The threads.</param>
    public static void Run(DeltaShape shape, DeltaOperands t, ReadOnlySpan<float> dO, DeltaGradients d, WorkerPool pool)
    {
        d.Q.Clear();
        d.K.Clear();
        fixed (float* q = t.Q, k = t.K, v = t.V, g = t.G, beta = t.Beta, po = dO)
        fixed (float* dq = d.Q, dk = d.K, dv = d.V, dg = d.G, dBeta = d.Beta)
        fixed (int* positions = t.Positions)
        {
            Body body = new(shape, new DeltaPointers(q, k, v, g, beta, positions), po, OrNull(d.Q, dq), OrNull(d.K, dk), OrNull(d.V, dv),
                OrNull(d.G, dg), OrNull(d.Beta, dBeta), pool);
            pool.For(shape.Batch * shape.KeyHeads, ref body); // Value heads of one key head add to the same gradients.
        }
    }

    private static float* OrNull(Span<float> span, float* address) => span.IsEmpty ? null : address;

    private readonly struct Body(DeltaShape shape, DeltaPointers t, float* dO, float* dq, float* dk, float* dv, float* dg, float* dBeta,
        WorkerPool pool) : IParallelBody
    {
        private readonly DeltaPointers _t = t;
        private readonly float* _dO = dO, _dq = dq, _dk = dk, _dv = dv, _dg = dg, _dBeta = dBeta;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            int b = item / shape.KeyHeads, first = item % shape.KeyHeads * shape.Shared;
            using var scratch = pool.Scratch.Rent((((long)shape.BackwardStates + 1) * shape.StateCount) + (3 * shape.ValueDim));
            for (int h = first; h < first + shape.Shared; h++)
            {
                Head(b, h, scratch.Pointer);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Head(int b, int h, float* memory)
        {
            float* starts = memory, states = starts + ((long)shape.Chunks * shape.StateCount);
            float* gradient = states + (((long)shape.BackwardStates - shape.Chunks) * shape.StateCount);
            float* rows = gradient + shape.StateCount;
            new Span<float>(starts, shape.StateCount).Clear();
            new Span<float>(gradient, shape.StateCount).Clear();
            for (int time = 0; time < (shape.Chunks - 1) * DeltaShape.Chunk; time++)
            {
                float* start = starts + ((long)(time / DeltaShape.Chunk) * shape.StateCount);
                bool last = (time + 1) % DeltaShape.Chunk == 0;
                float* before = time % DeltaShape.Chunk == 0 ? start : states;
                new DeltaToken(shape, _t, b, time, h).Update(before, last ? start + shape.StateCount : states, new(rows, shape.ValueDim));
            }

            for (int chunk = shape.Chunks - 1; chunk >= 0; chunk--)
            {
                int from = chunk * DeltaShape.Chunk, to = Math.Min(shape.Length, from + DeltaShape.Chunk);
                StateSpan(starts, chunk).CopyTo(StateSpan(states, 0));
                for (int time = from; time < to; time++)
                {
                    float* before = states + ((long)(time - from) * shape.StateCount);
                    new DeltaToken(shape, _t, b, time, h).Update(before, before + shape.StateCount, new(rows, shape.ValueDim));
                }

                for (int time = to - 1; time >= from; time--)
                {
                    Token(b, time, h, states + ((long)(time - from) * shape.StateCount), gradient, rows);
                }
            }
        }

        private Span<float> StateSpan(float* states, int index) => new(states + ((long)index * shape.StateCount), shape.StateCount);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Token(int b, int time, int h, float* before, float* gradient, float* rows)
        {
            int keys = shape.KeyDim, values = shape.ValueDim;
            var token = new DeltaToken(shape, _t, b, time, h);
            long row = ((long)b * shape.Length) + time, scalar = (row * shape.ValueHeads) + h, value = scalar * values;
            long key = ((row * shape.KeyHeads) + (h / shape.Shared)) * keys;
            ReadOnlySpan<float> dOutput = new(_dO + value, values);
            Span<float> read = new(rows, values), dDelta = new(rows + values, values), error = new(rows + (2 * values), values);
            read.Clear();
            dDelta.Clear();
            for (int i = 0; i < keys; i++)
            {
                TensorPrimitives.MultiplyAdd(Row(before, i), token.K[i] * token.Decay, read, read); // S′ᵀk
                var d = Row(gradient, i);
                TensorPrimitives.MultiplyAdd(dOutput, token.Q[i], d, d);
                TensorPrimitives.MultiplyAdd(d, token.K[i], dDelta, dDelta);
            }

            TensorPrimitives.Subtract(new ReadOnlySpan<float>(token.V, values), read, error); // δ/β
            float dDecay = 0, errorDotOutput = TensorPrimitives.Dot(error, dOutput);
            for (int i = 0; i < keys; i++)
            {
                Span<float> d = Row(gradient, i), s = Row(before, i);
                float dDotError = TensorPrimitives.Dot(d, error), sDotDDelta = TensorPrimitives.Dot(s, dDelta) * token.Decay;
                if (_dq != null)
                {
                    _dq[key + i] += (TensorPrimitives.Dot(s, dOutput) * token.Decay) + (token.K[i] * token.Beta * errorDotOutput);
                }

                if (_dk != null)
                {
                    _dk[key + i] += token.Beta * (dDotError - sDotDDelta);
                }

                TensorPrimitives.MultiplyAdd(dDelta, -token.Beta * token.K[i], d, d); // D′
                dDecay += TensorPrimitives.Dot(d, s);
                TensorPrimitives.Multiply(d, token.Decay, d);
            }

            if (_dv != null)
            {
                TensorPrimitives.Multiply(dDelta, token.Beta, new Span<float>(_dv + value, values));
            }

            if (_dBeta != null)
            {
                _dBeta[scalar] = TensorPrimitives.Dot(dDelta, error);
            }

            if (_dg != null)
            {
                _dg[scalar] = dDecay * token.Decay;
            }
        }

        private Span<float> Row(float* state, int i) => new(state + ((long)i * shape.ValueDim), shape.ValueDim);
    }
}

/// <summary>Gradients of <see cref="DeltaOperands"/>; empty where none is needed.</summary>
internal readonly ref struct DeltaGradients(Span<float> q, Span<float> k, Span<float> v, Span<float> g, Span<float> beta)
{
    public Span<float> Q { get; } = q;
    public Span<float> K { get; } = k;
    public Span<float> V { get; } = v;
    public Span<float> G { get; } = g;
    public Span<float> Beta { get; } = beta;
}
