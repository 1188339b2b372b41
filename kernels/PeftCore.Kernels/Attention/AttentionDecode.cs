using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>
/// Attention of one query, or two, over many keys: decoding, where keys and values are read once and there is too little to fill a tile. An
/// item is some of the query heads that share a key head; they take turns over a block of keys while it is in the first-level cache.
/// </summary>
internal readonly unsafe struct AttentionDecode<TLanes, TVector>(AttentionInputs inputs, HeadPointer o, float* lse, WorkerPool pool)
    : IParallelBody
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    // Enough items to share; keys that stay in the first-level cache; and how far ahead to ask for them, since a head's part of a row of
    // keys is too short for the processor to foresee the next.
    private const int EnoughItems = 8, Block = 64, Ahead = 16, Line = 64;
    private readonly float* _lse = lse;

    private int Parts => PartsOf(inputs.Shape);

    public static int Items(in AttentionShape shape) => shape.Batch * shape.KeyHeads * PartsOf(shape);

    public void Run(int item)
    {
        var shape = inputs.Shape;
        int parts = Parts, pair = item / parts, part = item % parts, keyHead = pair % shape.KeyHeads, b = pair / shape.KeyHeads;
        int first = (keyHead * inputs.Group) + (inputs.Group * part / parts),
            heads = (keyHead * inputs.Group) + (inputs.Group * (part + 1) / parts) - first;
        using var scratch = pool.Scratch.Rent((long)heads * shape.KeyLength);
        for (int i = 0; i < shape.QueryLength; i++)
        {
            inputs.Range(b, i, out int from, out int to);
            if (inputs.Keys.Type == ElementType.F32)
            {
                Attend<StoredF32>(b, i, first, heads, from, to, scratch.Pointer);
            }
            else
            {
                Attend<StoredBF16>(b, i, first, heads, from, to, scratch.Pointer);
            }
        }
    }

    private static int PartsOf(in AttentionShape shape) =>
        Math.Clamp(Ranges.Count(EnoughItems, Math.Max(1, shape.Batch * shape.KeyHeads)), 1, shape.Heads / shape.KeyHeads);

    private void Attend<TStored>(int b, int i, int first, int heads, int from, int to, float* scores)
        where TStored : struct, IStored
    {
        var shape = inputs.Shape;
        int keyHead = first / inputs.Group, count = to - from;
        long row = (long)b * shape.KeyLength;
        for (int j = from; j < to; j += Block)
        {
            int keys = Math.Min(Block, to - j);
            for (int h = 0; h < heads; h++)
            {
                Dots<TStored>(inputs.Query(b, i, first + h), inputs.Keys.At(row + j, keyHead), keys, scores + ((nint)h * count) +
                    (j - from), h == 0);
            }
        }

        for (int h = 0; h < heads; h++)
        {
            Soften(scores + ((nint)h * count), b, i, first + h, from, to);
        }

        for (int j = from; j < to; j += Block)
        {
            int keys = Math.Min(Block, to - j);
            for (int h = 0; h < heads; h++)
            {
                float* into = o.At(((long)b * shape.QueryLength) + i, first + h);
                AddValues<TStored>(scores + ((nint)h * count) + (j - from), inputs.Values.At(row + j, keyHead), keys, into, h == 0);
            }
        }
    }

    // Products become weights that sum to 1; the output, which they will be summed into, starts at 0.
    private void Soften(float* scores, int b, int i, int h, int from, int to)
    {
        int count = to - from;
        new Span<float>(o.At(((long)b * inputs.Shape.QueryLength) + i, h), inputs.Shape.HeadDim).Clear();
        inputs.Finish(scores, null, h, i, from, to);
        float max = Simd.Max(scores, count);
        _lse[inputs.Row(b, i, h)] = max;
        if (max == float.NegativeInfinity)
        {
            new Span<float>(scores, count).Clear();
            return;
        }

        float total = Exponentials.Sum(scores, max, scores, count);
        _lse[inputs.Row(b, i, h)] = max + MathF.Log(total);
        VectorLoops.Map<Scaling, Overwrite>(new Scaling(1 / total), scores, scores, count);
    }

    // products[j] = scale·q·(key j), four keys at a time.
    private void Dots<TStored>(float* q, byte* key, int keys, float* products, bool ask)
        where TStored : struct, IStored
    {
        nint row = inputs.Keys.RowBytes;
        float scale = inputs.Shape.Scale;
        int j = 0;
        for (; j <= keys - 4; j += 4, key += 4 * row)
        {
            if (ask)
            {
                Ask(key + (Ahead * row), row, 4, inputs.Shape.HeadDim * TStored.Size);
            }

            (Dots<TStored>(q, key, key + row, key + (2 * row), key + (3 * row)) * scale).Store(products + j);
        }

        for (; j < keys; j++, key += row)
        {
            products[j] = scale * Dots<TStored>(q, key, key, key, key).ToScalar();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private Vector128<float> Dots<TStored>(float* q, byte* k0, byte* k1, byte* k2, byte* k3)
        where TStored : struct, IStored
    {
        int dim = inputs.Shape.HeadDim, d = 0;
        TVector s0 = default, s1 = default, s2 = default, s3 = default;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
        {
            var x = TLanes.Load<StoredF32>((byte*)(q + d));
            int at = d * TStored.Size;
            s0 = TLanes.MultiplyAdd(x, TLanes.Load<TStored>(k0 + at), s0);
            s1 = TLanes.MultiplyAdd(x, TLanes.Load<TStored>(k1 + at), s1);
            s2 = TLanes.MultiplyAdd(x, TLanes.Load<TStored>(k2 + at), s2);
            s3 = TLanes.MultiplyAdd(x, TLanes.Load<TStored>(k3 + at), s3);
        }

        var sums = TLanes.Sums(s0, s1, s2, s3);
        for (; d < dim; d++)
        {
            int at = d * TStored.Size;
            sums += Vector128.Create(TStored.Load(k0 + at), TStored.Load(k1 + at), TStored.Load(k2 + at), TStored.Load(k3 + at)) * q[d];
        }

        return sums;
    }

    // into += Σ weights[j]·(value j), four vectors of columns at a time in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddValues<TStored>(float* weights, byte* value, int keys, float* into, bool ask)
        where TStored : struct, IStored
    {
        int dim = inputs.Shape.HeadDim, width = TLanes.Count, d = 0;
        nint row = inputs.Values.RowBytes;
        for (; d <= dim - (4 * width); d += 4 * width)
        {
            TVector s0 = TLanes.Load<StoredF32>((byte*)(into + d)), s1 = TLanes.Load<StoredF32>((byte*)(into + d + width));
            TVector s2 = TLanes.Load<StoredF32>((byte*)(into + d + (2 * width))),
                s3 = TLanes.Load<StoredF32>((byte*)(into + d + (3 * width)));
            byte* v = value + (d * TStored.Size);
            for (int j = 0; j < keys; j++, v += row)
            {
                if (ask)
                {
                    Ask(v + (Ahead * row), row, 1, 4 * width * TStored.Size);
                }

                var p = TLanes.Broadcast(weights[j]);
                s0 = TLanes.MultiplyAdd(p, TLanes.Load<TStored>(v), s0);
                s1 = TLanes.MultiplyAdd(p, TLanes.Load<TStored>(v + (width * TStored.Size)), s1);
                s2 = TLanes.MultiplyAdd(p, TLanes.Load<TStored>(v + (2 * width * TStored.Size)), s2);
                s3 = TLanes.MultiplyAdd(p, TLanes.Load<TStored>(v + (3 * width * TStored.Size)), s3);
            }

            TLanes.Store(s0, into + d);
            TLanes.Store(s1, into + d + width);
            TLanes.Store(s2, into + d + (2 * width));
            TLanes.Store(s3, into + d + (3 * width));
        }

        for (; d <= dim - width; d += width)
        {
            var s = TLanes.Load<StoredF32>((byte*)(into + d));
            byte* v = value + (d * TStored.Size);
            for (int j = 0; j < keys; j++, v += row)
            {
                s = TLanes.MultiplyAdd(TLanes.Broadcast(weights[j]), TLanes.Load<TStored>(v), s);
            }

            TLanes.Store(s, into + d);
        }

        for (; d < dim; d++)
        {
            float s = into[d];
            byte* v = value + (d * TStored.Size);
            for (int j = 0; j < keys; j++, v += row)
            {
                s += weights[j] * TStored.Load(v);
            }

            into[d] = s;
        }
    }

    // A prefetch past the end of the keys does no harm: it never faults.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ask(byte* at, nint row, int rows, int bytes)
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
