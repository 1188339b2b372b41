using System.Runtime.CompilerServices;
using System.Numerics.Tensors;

namespace PeftCore.Kernels;

/// <summary>The gated delta rule (Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks"), token by token. The state S (dk, dv) of a head
/// decays, and is corrected so that the key reads the value: S′ = eᵍ·S, δ = β·(v − S′ᵀk), S = S′ + k·δᵀ, o = Sᵀq.</summary>
internal static unsafe class GatedDelta
{
    /// <summary>Outputs of all tokens; a state of zeros where a token's position is 0.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="t">The operands.</param>
    /// <param name="o">(batch, length, value heads·dv)</param>
    /// <param name="state">(batch, value heads, dk, dv), the state before the first token and then after the last; empty for zeros.</param>
    /// <param name="pool">The threads.</param>
    public static void Forward(DeltaShape shape, DeltaOperands t, Span<float> o, Span<float> state, WorkerPool pool)
    {
        fixed (float* q = t.Q, k = t.K, v = t.V, g = t.G, beta = t.Beta, po = o, ps = state)
        fixed (int* positions = t.Positions)
        {
            ForwardBody body = new(shape, new DeltaPointers(q, k, v, g, beta, positions), po, state.IsEmpty ? null : ps, pool);
            pool.For(shape.Batch * shape.ValueHeads, ref body);
        }
    }

    private readonly struct ForwardBody(DeltaShape shape, DeltaPointers t, float* o, float* states, WorkerPool pool) : IParallelBody
    {
        private readonly DeltaPointers _t = t;
        private readonly float* _o = o, _states = states;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            int b = item / shape.ValueHeads, h = item % shape.ValueHeads;
            using var scratch = pool.Scratch.Rent(shape.StateCount + shape.ValueDim);
            float* state = _states != null ? _states + ((long)item * shape.StateCount) : scratch.Pointer;
            Span<float> delta = new(scratch.Pointer + shape.StateCount, shape.ValueDim);
            if (_states == null)
            {
                new Span<float>(state, shape.StateCount).Clear();
            }

            for (int time = 0; time < shape.Length; time++)
            {
                var token = new DeltaToken(shape, _t, b, time, h);
                token.Update(state, state, delta);
                Span<float> output = new(_o + (((long)(b * shape.Length) + time) * shape.ValueHeads * shape.ValueDim)
                    + ((long)h * shape.ValueDim), shape.ValueDim);
                output.Clear();
                for (int i = 0; i < shape.KeyDim; i++)
                {
                    TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(state + ((long)i * shape.ValueDim), shape.ValueDim), token.Q[i],
                        output, output);
                }
            }
        }
    }
}

/// <summary>Operands of the gated delta rule.</summary>
/// <param name="q">(batch, length, key heads·dk), normalised and scaled.</param>
/// <param name="k">(batch, length, key heads·dk), normalised.</param>
/// <param name="v">(batch, length, value heads·dv)</param>
/// <param name="g">(batch, length, value heads), logarithms of the decay.</param>
/// <param name="beta">(batch, length, value heads), in (0, 1).</param>
/// <param name="positions">(batch, length)</param>
internal readonly ref struct DeltaOperands(ReadOnlySpan<float> q, ReadOnlySpan<float> k, ReadOnlySpan<float> v, ReadOnlySpan<float> g,
    ReadOnlySpan<float> beta, ReadOnlySpan<int> positions)
{
    public ReadOnlySpan<float> Q { get; } = q;
    public ReadOnlySpan<float> K { get; } = k;
    public ReadOnlySpan<float> V { get; } = v;
    public ReadOnlySpan<float> G { get; } = g;
    public ReadOnlySpan<float> Beta { get; } = beta;
    public ReadOnlySpan<int> Positions { get; } = positions;
}

/// <summary>Addresses of <see cref="DeltaOperands"/>.</summary>
internal readonly unsafe struct DeltaPointers(float* q, float* k, float* v, float* g, float* beta, int* positions)
{
    public readonly float* Q = q, K = k, V = v, G = g, Beta = beta;
    public readonly int* Positions = positions;
}

/// <summary>One token of one value head.</summary>
internal readonly unsafe ref struct DeltaToken
{
    private readonly DeltaShape _shape;

    public DeltaToken(DeltaShape shape, in DeltaPointers t, int b, int time, int head)
    {
        _shape = shape;
        long row = ((long)b * shape.Length) + time, key = ((row * shape.KeyHeads) + (head / shape.Shared)) * shape.KeyDim;
        Q = t.Q + key;
        K = t.K + key;
        V = t.V + (((row * shape.ValueHeads) + head) * shape.ValueDim);
        Beta = t.Beta[(row * shape.ValueHeads) + head];
        Decay = t.Positions[row] == 0 ? 0 : MathF.Exp(t.G[(row * shape.ValueHeads) + head]);
    }

    public float* Q { get; }
    public float* K { get; }
    public float* V { get; }
    public float Beta { get; }

    /// <summary>eᵍ; 0 at the first token of a sequence, which sees no state.</summary>
    public float Decay { get; }

    /// <summary>after = S′ + k·δᵀ from the state before, which may be the same memory; <paramref name="delta"/> receives δ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Update(float* before, float* after, Span<float> delta)
    {
        int dk = _shape.KeyDim, dv = _shape.ValueDim;
        TensorPrimitives.Multiply(new ReadOnlySpan<float>(before, dk * dv), Decay, new Span<float>(after, dk * dv));
        delta.Clear();
        for (int i = 0; i < dk; i++)
        {
            TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(after + ((long)i * dv), dv), K[i], delta, delta); // S′ᵀk
        }

        TensorPrimitives.Subtract(new ReadOnlySpan<float>(V, dv), delta, delta);
        TensorPrimitives.Multiply(delta, Beta, delta);
        for (int i = 0; i < dk; i++)
        {
            Span<float> row = new(after + ((long)i * dv), dv);
            TensorPrimitives.MultiplyAdd(delta, K[i], row, row);
        }
    }
}
