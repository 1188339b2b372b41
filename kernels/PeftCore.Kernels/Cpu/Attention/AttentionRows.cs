namespace PeftCore.Kernels;

/// <summary>Attention of one query row at a time: for decoding, where there is too little to fill a tile.</summary>
internal readonly unsafe struct AttentionRows(AttentionInputs inputs, HeadPointer o, float* lse, WorkerPool pool) : IParallelBody
{
    /// <summary>With more queries than these, packing the keys pays.</summary>
    public const int MaxQueries = 2;
    private readonly float* _lse = lse;

    public static int Items(in AttentionShape shape) => shape.Batch * shape.Heads;

    public void Run(int item)
    {
        AttentionShape shape = inputs.Shape;
        int b = item / shape.Heads, h = item % shape.Heads, keyHead = h / inputs.Group;
        using Scratch scratch = pool.Scratch.Rent(shape.KeyLength);
        float* s = scratch.Pointer;
        for (int i = 0; i < shape.QueryLength; i++)
        {
            float* into = o.At(((long)b * shape.QueryLength) + i, h);
            new Span<float>(into, shape.HeadDim).Clear();
            inputs.Range(b, i, out int from, out int to);
            Products(inputs, b, i, h, from, to, s);
            inputs.Finish(s, null, h, i, from, to);
            float max = Simd.Max(s, to - from);
            _lse[inputs.Row(b, i, h)] = max;
            if (max == float.NegativeInfinity)
            {
                continue;
            }

            float total = Exponentials.Sum(s, max, s, to - from);
            _lse[inputs.Row(b, i, h)] = max + MathF.Log(total);
            for (int j = from; j < to; j++)
            {
                Simd.AddScaled(inputs.Value(b, j, keyHead), s[j - from] / total, into, shape.HeadDim);
            }
        }
    }

    /// <summary>products[j − from] = scale·q·k.</summary>
    public static void Products(in AttentionInputs inputs, int b, int i, int h, int from, int to, float* products)
    {
        AttentionShape shape = inputs.Shape;
        float* query = inputs.Query(b, i, h);
        for (int j = from; j < to; j++)
        {
            products[j - from] = shape.Scale * Simd.Dot(query, inputs.Key(b, j, h / inputs.Group), shape.HeadDim);
        }
    }
}
