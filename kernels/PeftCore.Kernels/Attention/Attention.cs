namespace PeftCore.Kernels;

/// <summary>
/// The sizes of an attention call. Scale multiplies q·k; SoftCap, if not 0, caps the scaled scores: s = cap·tanh(s/cap). Query head h reads
/// key head h / (Heads/KeyHeads).
/// </summary>
internal readonly record struct AttentionShape(
    int Batch, int QueryLength, int KeyLength, int Heads, int KeyHeads, int HeadDim, float Scale, float SoftCap)
{
    /// <summary>Elements of a head of values and of the output; those of a head of queries and keys by default.</summary>
    public int ValueDim { get; init; } = HeadDim;
}

/// <summary>Attention that never forms the (queries × keys) matrix of scores. Tested against the definition in float64 by AttentionTests
/// (AttentionReference).</summary>
internal static unsafe class Attention
{
    // Packing the keys is faster only for more queries than this.
    private const int MaxQueriesUnpacked = 2;

    /// <summary>
    /// o = softmax(scores)·v; lse (Batch, Heads, QueryLength) is the logarithm of the softmax's denominator.
    /// A query that attends to no key has output 0, and without a sink lse −∞.
    /// </summary>
    public static void Forward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, ReadOnlySpan<float> k, HeadLayout kl, ReadOnlySpan<float> v,
        HeadLayout vl,
        Span<float> o, HeadLayout ol, Span<float> lse, in AttentionTerms terms, WorkerPool pool) =>
        Forward(shape, q, ql, k, kl, v, vl, o, ol, lse, terms, pool, Gemm.Best);

    /// <summary>The forward pass over keys and values of element type F32 or BF16, as a key-value cache stores them.</summary>
    public static void Forward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, ReadOnlySpan<byte> k, HeadLayout kl, ReadOnlySpan<byte> v,
        HeadLayout vl,
        ElementType stored, Span<float> o, HeadLayout ol, Span<float> lse, in AttentionTerms terms, WorkerPool pool) =>
        Forward(shape, q, ql, k, kl, v, vl, stored, o, ol, lse, terms, pool, Gemm.Best);

    internal static void Forward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, ReadOnlySpan<float> k, HeadLayout kl, ReadOnlySpan<float> v,
        HeadLayout vl,
        Span<float> o, HeadLayout ol, Span<float> lse, in AttentionTerms terms, WorkerPool pool,
        SimdLevel level)
    {
        Check(shape, q, ql, k.Length, kl, v.Length, vl, o, ol, lse, terms);
        fixed (float* pk = k, pv = v)
        {
            Forward(shape, q, ql, new((byte*)pk, ElementType.F32, kl), new((byte*)pv, ElementType.F32, vl), o, ol, lse, terms, pool, level);
        }
    }

    internal static void Forward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, ReadOnlySpan<byte> k, HeadLayout kl, ReadOnlySpan<byte> v,
        HeadLayout vl,
        ElementType stored, Span<float> o, HeadLayout ol, Span<float> lse, in AttentionTerms terms, WorkerPool pool, SimdLevel level)
    {
        if (stored == ElementType.F16)
        {
            throw new ArgumentException("Keys and values are stored in F32 or BF16.", nameof(stored));
        }

        int size = Elements.Size(stored);
        Check(shape, q, ql, k.Length / size, kl, v.Length / size, vl, o, ol, lse, terms);
        fixed (byte* pk = k, pv = v)
        {
            Forward(shape, q, ql, new(pk, stored, kl), new(pv, stored, vl), o, ol, lse, terms, pool, level);
        }
    }

    /// <summary>
    /// The gradients of the forward pass. delta (Batch, Heads, QueryLength) is workspace and receives rowsum(dO∘O). Any of dq, dk, dv may
    /// be empty, and they may share a buffer with different layouts. dBias and dSinks are empty or are added to.
    /// </summary>
    public static void Backward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, ReadOnlySpan<float> k, HeadLayout kl, ReadOnlySpan<float> v,
        HeadLayout vl,
        ReadOnlySpan<float> o, HeadLayout ol, ReadOnlySpan<float> dO, HeadLayout dol, ReadOnlySpan<float> lse, Span<float> delta,
        Span<float> dq, HeadLayout dql, bool accumulateDq, Span<float> dk, HeadLayout dkl, bool accumulateDk,
        Span<float> dv, HeadLayout dvl, bool accumulateDv, Span<float> dBias, Span<float> dSinks,
        in AttentionTerms terms, WorkerPool pool) =>
        Backward(
            shape, q, ql, k, kl, v, vl, o, ol, dO, dol, lse, delta, dq, dql, accumulateDq, dk, dkl, accumulateDk, dv, dvl, accumulateDv,
            dBias, dSinks, terms, pool, Gemm.Best);

    internal static void Backward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, ReadOnlySpan<float> k, HeadLayout kl, ReadOnlySpan<float> v,
        HeadLayout vl,
        ReadOnlySpan<float> o, HeadLayout ol, ReadOnlySpan<float> dO, HeadLayout dol, ReadOnlySpan<float> lse, Span<float> delta,
        Span<float> dq, HeadLayout dql, bool accumulateDq, Span<float> dk, HeadLayout dkl, bool accumulateDk,
        Span<float> dv, HeadLayout dvl, bool accumulateDv, Span<float> dBias, Span<float> dSinks,
        in AttentionTerms terms, WorkerPool pool,
        SimdLevel level)
    {
        Check(shape, q, ql, k.Length, kl, v.Length, vl, o, ol, lse, terms);
        long queries = (long)shape.Batch * shape.QueryLength, keys = (long)shape.Batch * shape.KeyLength;
        Sizes.AtLeast(dO, dol.Span(queries, shape.Heads, shape.ValueDim));
        Sizes.AtLeast<float>(delta, queries * shape.Heads);
        Sizes.AtLeast<float>(dq, dq.IsEmpty ? 0 : dql.Span(queries, shape.Heads, shape.HeadDim));
        Sizes.AtLeast<float>(dk, dk.IsEmpty ? 0 : dkl.Span(keys, shape.KeyHeads, shape.HeadDim));
        Sizes.AtLeast<float>(dv, dv.IsEmpty ? 0 : dvl.Span(keys, shape.KeyHeads, shape.ValueDim));
        Sizes.AtLeast<float>(dBias, dBias.IsEmpty ? 0 : terms.BiasStrides.Count(shape));
        Sizes.AtLeast<float>(dSinks, dSinks.IsEmpty ? 0 : shape.Heads);
        fixed (float* pq = q, pk = k, pv = v, po = o, pdo = dO, pl = lse, pd = delta, pdq = dq, pdk = dk, pdv = dv, pdb = dBias,
            pds = dSinks, ps = terms.Slopes, pb = terms.Bias, px = terms.Sinks)
        fixed (int* pr = terms.Ranges)
        {
            KeyValueHeads keyHeads = new((byte*)pk, ElementType.F32, kl), values = new((byte*)pv, ElementType.F32, vl);
            AttentionInputs inputs = new(shape, new(pq, ql), keyHeads, values, new(pr, ps, pb, px, terms));
            HeadPointer gradient = new(pdo, dol);
            Ranges.ForRows((int)queries, shape.Heads * shape.ValueDim, new AttentionDelta(inputs, new(po, ol), gradient, pd), pool);
            AttentionTarget toQ = new(new(pdq, dql), accumulateDq), toK = new(new(pdk, dkl), accumulateDk),
                toV = new(new(pdv, dvl), accumulateDv);
            // A bias element with one contribution receives it in the pass over the blocks; others need a pass in a fixed order.
            bool byBlocks = pdb != null && terms.BiasStrides.IsFull(shape) && (toQ.IsNeeded || toK.IsNeeded || toV.IsNeeded);
            SimdDispatch.Run(level, new BackwardAction(inputs, gradient, pl, pd, toQ, toK, toV, byBlocks ? pdb : null, pool));
            if (pdb != null && !byBlocks)
            {
                AttentionBiasGradient body = new(inputs, gradient, pl, pd, pdb, pool);
                pool.For(shape.QueryLength, ref body);
            }
            if (pds != null)
            {
                AttentionSink.AddGradient(shape, px, pl, pd, pds);
            }
        }
    }

    private static void Forward(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, KeyValueHeads k, KeyValueHeads v, Span<float> o, HeadLayout ol,
        Span<float> lse,
        in AttentionTerms terms, WorkerPool pool, SimdLevel level)
    {
        fixed (float* pq = q, po = o, pl = lse, ps = terms.Slopes, pb = terms.Bias, px = terms.Sinks)
        fixed (int* pr = terms.Ranges)
        {
            AttentionInputs inputs = new(shape, new(pq, ql), k, v, new(pr, ps, pb, px, terms));
            HeadPointer output = new(po, ol);
            SimdDispatch.Run(level, new ForwardAction(inputs, output, pl, pool));
        }
    }

    private readonly struct ForwardAction(AttentionInputs inputs, HeadPointer o, float* lse, WorkerPool pool) : ISimdAction
    {
        private readonly float* _lse = lse;

        public void Run<TTile, TSimd, TVector>()
            where TTile : struct, ITile
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (inputs.Shape.QueryLength <= MaxQueriesUnpacked)
            {
                AttentionDecode<TSimd, TVector> decode = new(inputs, o, _lse, pool);
                pool.For(AttentionDecode<TSimd, TVector>.Items(inputs.Shape), ref decode);
                return;
            }

            AttentionForward<TTile> body = new(inputs, o, _lse, pool);
            pool.For(AttentionForward<TTile>.Items(inputs.Shape), ref body);
        }
    }

    private readonly struct BackwardAction(AttentionInputs inputs, HeadPointer dO, float* lse, float* delta, AttentionTarget dq,
        AttentionTarget dk, AttentionTarget dv, float* dBias, WorkerPool pool) : ISimdAction
    {
        private readonly float* _lse = lse, _delta = delta, _dBias = dBias;

        public void Run<TTile, TSimd, TVector>()
            where TTile : struct, ITile
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => new AttentionBackward<TTile>(inputs, dO, _lse, _delta, dq, dk, dv, _dBias, pool).Run();
    }

    private static void Check(
        in AttentionShape shape, ReadOnlySpan<float> q, HeadLayout ql, int keyCount, HeadLayout kl, int valueCount, HeadLayout vl,
        ReadOnlySpan<float> o, HeadLayout ol, ReadOnlySpan<float> lse, in AttentionTerms terms)
    {
        if (shape.KeyHeads < 1 || shape.Heads % shape.KeyHeads != 0)
        {
            throw new ArgumentException($"{shape.Heads} query heads cannot share {shape.KeyHeads} key heads evenly.", nameof(shape));
        }

        long queries = (long)shape.Batch * shape.QueryLength, keys = (long)shape.Batch * shape.KeyLength;
        Sizes.AtLeast(q, ql.Span(queries, shape.Heads, shape.HeadDim));
        Sizes.AtLeast(keyCount, kl.Span(keys, shape.KeyHeads, shape.HeadDim), "k");
        Sizes.AtLeast(valueCount, vl.Span(keys, shape.KeyHeads, shape.ValueDim), "v");
        Sizes.AtLeast(o, ol.Span(queries, shape.Heads, shape.ValueDim));
        Sizes.AtLeast(lse, queries * shape.Heads);
        Sizes.AtLeast(terms.Ranges, terms.Ranges.IsEmpty ? 0 : queries * 2);
        Sizes.AtLeast(terms.Slopes, terms.Slopes.IsEmpty ? 0 : shape.Heads);
        Sizes.AtLeast(terms.Bias, terms.Bias.IsEmpty ? 0 : terms.BiasStrides.Count(shape));
        Sizes.AtLeast(terms.Sinks, terms.Sinks.IsEmpty ? 0 : shape.Heads);
    }
}
