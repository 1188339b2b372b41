using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>
/// Attention of one or two queries over many keys, as in decoding: keys and values are read once, and there are too few queries for a tile.
/// An item is some of the query heads that share a key head; each block of keys is used by all of them while it is in the first-level
/// cache.
/// </summary>
internal readonly unsafe struct AttentionDecode<TSimd, TVector>(AttentionInputs inputs, HeadPointer o, float* lse, WorkerPool pool)
    : IParallelBody
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // Items to balance the threads; keys per block, which stay in the first-level cache; rows to prefetch ahead, because a head's part of a
    // row of keys is too short for the hardware prefetcher; bytes of a cache line.
    private const int EnoughItems = 8, Block = 64, PrefetchRowsAhead = 16, Line = 64;
    private readonly float* _lse = lse;

    private int Parts => PartsOf(inputs.Shape);

    public static int Items(in AttentionShape shape) => shape.Batch * shape.KeyHeads * PartsOf(shape);

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int item)
    {
        var shape = inputs.Shape;
        int parts = Parts, pair = item / parts, part = item % parts, keyHead = pair % shape.KeyHeads, b = pair / shape.KeyHeads;
        int first = (keyHead * inputs.Group) + (inputs.Group * part / parts),
            heads = (keyHead * inputs.Group) + (inputs.Group * (part + 1) / parts) - first;
        using var scratch = pool.Scratch.Rent(((long)heads * shape.KeyLength) + (inputs.Drops ? shape.KeyLength + 4 : 0));
        for (int i = 0; i < shape.QueryLength; i++)
        {
            inputs.Range(b, i, out int from, out int to);
            ElementDispatch.Run(inputs.Keys.Type, new AttendAction(this, b, i, first, heads, from, to, scratch.Pointer));
        }
    }

    private readonly struct AttendAction(AttentionDecode<TSimd, TVector> decode, int b, int i, int first, int heads, int from, int to,
        float* scores) : IElementAction
    {
        private readonly float* _scores = scores;

        public void Run<TElement>()
            where TElement : struct, IElement => decode.Attend<TElement>(b, i, first, heads, from, to, _scores);
    }

    private static int PartsOf(in AttentionShape shape) =>
        Math.Clamp(Ranges.Count(EnoughItems, Math.Max(1, shape.Batch * shape.KeyHeads)), 1, shape.Heads / shape.KeyHeads);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Attend<TElement>(int b, int i, int first, int heads, int from, int to, float* scores)
        where TElement : struct, IElement
    {
        var shape = inputs.Shape;
        int keyHead = first / inputs.Group, count = to - from;
        long row = (long)b * shape.KeyLength;
        for (int j = from; j < to; j += Block)
        {
            int keys = Math.Min(Block, to - j);
            for (int h = 0; h < heads; h++)
            {
                Dots<TElement>(inputs.Query(b, i, first + h), inputs.Keys.At(row + j, keyHead), keys, scores + ((nint)h * count) +
                    (j - from), h == 0);
            }
        }

        for (int h = 0; h < heads; h++)
        {
            Normalize(scores + ((nint)h * count), scores + ((nint)heads * shape.KeyLength), b, i, first + h, from, to);
        }

        for (int j = from; j < to; j += Block)
        {
            int keys = Math.Min(Block, to - j);
            for (int h = 0; h < heads; h++)
            {
                float* into = o.At(((long)b * shape.QueryLength) + i, first + h);
                AddValues<TElement>(scores + ((nint)h * count) + (j - from), inputs.Values.At(row + j, keyHead), keys, into, h == 0);
            }
        }
    }

    // Turns products q·k into probabilities, and clears the output, which accumulates probabilities·v.
    private void Normalize(float* scores, float* kept, int b, int i, int h, int from, int to)
    {
        int count = to - from;
        new Span<float>(o.At(((long)b * inputs.Shape.QueryLength) + i, h), inputs.Shape.ValueDim).Clear();
        inputs.FinishScores(scores, null, b, h, i, from, to);
        float max = Simd.Max(scores, count), sink = inputs.Sink(h);
        if (max == float.NegativeInfinity)
        {
            _lse[inputs.Row(b, i, h)] = sink;
            new Span<float>(scores, count).Clear();
            return;
        }

        float total = Exponentials.Sum(scores, max, scores, count), factor = 1 / total;
        if (sink > float.NegativeInfinity)
        {
            AttentionSink.AddTo(ref max, ref total, sink, out factor);
        }

        _lse[inputs.Row(b, i, h)] = max + MathF.Log(total);
        VectorLoops.Map<Scaling, Overwrite>(new Scaling(factor), scores, scores, count);
        if (inputs.Drops)
        {
            float* factors = inputs.DropoutFactors(kept, b, h, i, from, to);
            VectorLoops.Zip<Product, Overwrite>(default, scores, factors, scores, count);
        }
    }

    // products[j] = scale·q·(key j), four keys at a time.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Dots<TElement>(float* q, byte* key, int keys, float* products, bool prefetch)
        where TElement : struct, IElement
    {
        nint row = inputs.Keys.RowBytes;
        float scale = inputs.Shape.Scale;
        int j = 0;
        for (; j <= keys - 4; j += 4, key += 4 * row)
        {
            if (prefetch)
            {
                PrefetchRows(key + (PrefetchRowsAhead * row), row, 4, inputs.Shape.HeadDim * TElement.Size);
            }

            (Dots<TElement>(q, key, key + row, key + (2 * row), key + (3 * row)) * scale).Store(products + j);
        }

        for (; j < keys; j++, key += row)
        {
            products[j] = scale * Dots<TElement>(q, key, key, key, key).ToScalar();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private Vector128<float> Dots<TElement>(float* q, byte* k0, byte* k1, byte* k2, byte* k3)
        where TElement : struct, IElement
    {
        int dim = inputs.Shape.HeadDim, d = 0;
        TVector s0 = default, s1 = default, s2 = default, s3 = default;
        for (; d <= dim - TSimd.Count; d += TSimd.Count)
        {
            var x = TSimd.Load<Float32Element>((byte*)(q + d));
            int at = d * TElement.Size;
            s0 = TSimd.MultiplyAdd(x, TSimd.Load<TElement>(k0 + at), s0);
            s1 = TSimd.MultiplyAdd(x, TSimd.Load<TElement>(k1 + at), s1);
            s2 = TSimd.MultiplyAdd(x, TSimd.Load<TElement>(k2 + at), s2);
            s3 = TSimd.MultiplyAdd(x, TSimd.Load<TElement>(k3 + at), s3);
        }

        var sums = TSimd.Sums(s0, s1, s2, s3);
        for (; d < dim; d++)
        {
            int at = d * TElement.Size;
            sums += Vector128.Create(TElement.Load(k0 + at), TElement.Load(k1 + at), TElement.Load(k2 + at), TElement.Load(k3 + at)) * q[d];
        }

        return sums;
    }

    // into += Σ weights[j]·(value j), four vectors of columns at a time in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddValues<TElement>(float* weights, byte* value, int keys, float* into, bool prefetch)
        where TElement : struct, IElement
    {
        int dim = inputs.Shape.ValueDim, width = TSimd.Count, d = 0;
        nint row = inputs.Values.RowBytes;
        for (; d <= dim - (4 * width); d += 4 * width)
        {
            TVector s0 = TSimd.Load<Float32Element>((byte*)(into + d)), s1 = TSimd.Load<Float32Element>((byte*)(into + d + width));
            TVector s2 = TSimd.Load<Float32Element>((byte*)(into + d + (2 * width))),
                s3 = TSimd.Load<Float32Element>((byte*)(into + d + (3 * width)));
            byte* v = value + (d * TElement.Size);
            for (int j = 0; j < keys; j++, v += row)
            {
                if (prefetch)
                {
                    PrefetchRows(v + (PrefetchRowsAhead * row), row, 1, 4 * width * TElement.Size);
                }

                var p = TSimd.Broadcast(weights[j]);
                s0 = TSimd.MultiplyAdd(p, TSimd.Load<TElement>(v), s0);
                s1 = TSimd.MultiplyAdd(p, TSimd.Load<TElement>(v + (width * TElement.Size)), s1);
                s2 = TSimd.MultiplyAdd(p, TSimd.Load<TElement>(v + (2 * width * TElement.Size)), s2);
                s3 = TSimd.MultiplyAdd(p, TSimd.Load<TElement>(v + (3 * width * TElement.Size)), s3);
            }

            TSimd.Store(s0, into + d);
            TSimd.Store(s1, into + d + width);
            TSimd.Store(s2, into + d + (2 * width));
            TSimd.Store(s3, into + d + (3 * width));
        }

        for (; d <= dim - width; d += width)
        {
            var s = TSimd.Load<Float32Element>((byte*)(into + d));
            byte* v = value + (d * TElement.Size);
            for (int j = 0; j < keys; j++, v += row)
            {
                s = TSimd.MultiplyAdd(TSimd.Broadcast(weights[j]), TSimd.Load<TElement>(v), s);
            }

            TSimd.Store(s, into + d);
        }

        for (; d < dim; d++)
        {
            float s = into[d];
            byte* v = value + (d * TElement.Size);
            for (int j = 0; j < keys; j++, v += row)
            {
                s += weights[j] * TElement.Load(v);
            }

            into[d] = s;
        }
    }

    // A prefetch never faults, so its address may be past the end of the keys.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchRows(byte* at, nint row, int rows, int bytes)
    {
        if (Sse.IsSupported)
        {
            for (int r = 0; r < rows; r++, at += row)
            {
                for (int line = 0; line < bytes; line += Line)
                {
                    Sse.Prefetch0(at + line);
                }
            }
        }
    }
}
