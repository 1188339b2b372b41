using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>The inputs of attention by address: q, k, v, masks and biases.</summary>
internal readonly unsafe struct AttentionInputs(
    AttentionShape shape, HeadPointer q, KeyValueHeads k, KeyValueHeads v, AttentionTermPointers terms)
{
    public readonly AttentionShape Shape = shape;

    /// <summary>Keys and values in their element type.</summary>
    public readonly KeyValueHeads Keys = k, Values = v;
    private readonly HeadPointer _q = q;

    public bool Capped => Shape.SoftCap != 0;

    public bool Drops => terms.Dropout.Active;

    public int QueryStride => _q.Stride;

    public int KeyStride => Keys.Stride;

    public int ValueStride => Values.Stride;

    /// <summary>Query heads per key head (the group of grouped-query attention).</summary>
    public int Group => Shape.Heads / Shape.KeyHeads;

    public float* Query(int b, int i, int h) => _q.At(((long)b * Shape.QueryLength) + i, h);

    /// <summary>Address of a key, which must be F32.</summary>
    public float* Key(int b, int j, int keyHead) => (float*)Keys.At(((long)b * Shape.KeyLength) + j, keyHead);

    /// <summary>Address of a value, which must be F32.</summary>
    public float* Value(int b, int j, int keyHead) => (float*)Values.At(((long)b * Shape.KeyLength) + j, keyHead);

    /// <summary>Index of a query's per-row numbers (log-sum-exp, delta).</summary>
    public long Row(int b, int i, int h) => ((((long)b * Shape.Heads) + h) * Shape.QueryLength) + i;

    /// <summary>Index of the first bias, or bias gradient, of a query.</summary>
    public long BiasRow(int b, int i, int h) =>
        (b * terms.BiasStrides.Batch) + (h * terms.BiasStrides.Head) + ((long)i * Shape.KeyLength);

    /// <summary>The keys that query i attends to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Range(int b, int i, out int from, out int to)
    {
        if (terms.Ranges == null)
        {
            from = 0;
            to = Math.Clamp(i + 1 + Shape.KeyLength - Shape.QueryLength, 0, Shape.KeyLength);
            return;
        }

        long at = 2 * (((long)b * Shape.QueryLength) + i);
        from = Math.Max(terms.Ranges[at], 0);
        to = Math.Max(from, Math.Min(terms.Ranges[at + 1], Shape.KeyLength));
    }

    /// <summary>The smallest range that contains the ranges of queries first … first+count−1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Range(int b, int first, int count, out int from, out int to)
    {
        from = int.MaxValue;
        to = 0;
        for (int i = first; i < first + count; i++)
        {
            Range(b, i, out int f, out int t);
            if (f < t)
            {
                from = Math.Min(from, f);
                to = Math.Max(to, t);
            }
        }

        from = Math.Min(from, to);
    }

    /// <summary>
    /// Turns scaled products q·k of keys from … to−1 into scores in place: soft cap, ALiBi, bias. softcapGrad, unless null, receives the
    /// derivative of the soft cap.
    /// </summary>
    public void FinishScores(float* s, float* softcapGrad, int b, int h, int i, int from, int to)
    {
        int count = to - from;
        if (Capped)
        {
            Cap(s, softcapGrad, count);
        }

        if (terms.Slopes != null)
        {
            float slope = terms.Slopes[h];
            int distance = from - (i + Shape.KeyLength - Shape.QueryLength);
            VectorLoops.Ramp(s, distance, slope, count);
        }

        if (terms.Bias != null)
        {
            VectorLoops.Zip<Sum, Overwrite>(default, s, terms.Bias + BiasRow(b, i, h) + from, s, count);
        }
    }

    /// <summary>The sink of a head; −∞ without sinks.</summary>
    public float Sink(int h) => terms.Sinks == null ? float.NegativeInfinity : terms.Sinks[h];

    /// <summary>
    /// The factors by which dropout multiplies the probabilities of keys from … to−1: 0 or 1/(1 − p). Needs room for to − from + 3 of
    /// them, because the generator's numbers come in fours.
    /// </summary>
    public float* DropoutFactors(float* room, int b, int h, int i, int from, int to)
    {
        int start = from / 4 * 4;
        Philox.KeepFactors(room, AttentionDropout.RowStart(Row(b, i, h), Shape.KeyLength) + (ulong)start, to - start,
            terms.Dropout.Probability, terms.Dropout.Seed, terms.Dropout.Stream);
        return room + (from - start);
    }

    // s = cap·tanh(s/cap), whose slope is 1 − tanh².
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Cap(float* s, float* softcapGrad, int count)
    {
        int width = Simd.Width;
        for (int j = 0; j < count; j += width)
        {
            int n = Math.Min(width, count - j);
            var t = VectorMath.Tanh(Simd.LoadPart(s + j, n) / new Vector<float>(Shape.SoftCap));
            Simd.StorePart(t * Shape.SoftCap, s + j, n);
            if (softcapGrad != null)
            {
                Simd.StorePart(Vector<float>.One - (t * t), softcapGrad + j, n);
            }
        }
    }
}

/// <summary>Address and layout of F32 heads.</summary>
internal readonly unsafe struct HeadPointer(float* data, HeadLayout layout)
{
    private readonly float* _data = data;

    public bool IsNull => _data == null;

    public int Stride => layout.RowStride;

    public float* At(long token, int head) => _data + (token * layout.RowStride) + layout.Offset + ((long)head * layout.HeadStride);
}
