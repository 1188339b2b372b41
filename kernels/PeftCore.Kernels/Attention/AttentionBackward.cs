using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>An output of the backward pass; with a null pointer it is not computed.</summary>
internal readonly unsafe struct AttentionTarget(HeadPointer data, bool accumulate)
{
    public readonly HeadPointer Data = data;
    public readonly bool Accumulate = accumulate;

    public bool IsNeeded => !Data.IsNull;

    /// <summary>Sets some tokens of a head to zero, unless the output accumulates.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Start(long token, int tokens, int head, int dim)
    {
        for (int t = 0; t < tokens && IsNeeded && !Accumulate; t++)
        {
            new Span<float>(Data.At(token + t, head), dim).Clear();
        }
    }

    /// <summary>Writes or adds dense rows of the given width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Put(float* rows, int width, long token, int tokens, int head, int dim)
    {
        for (int t = 0; t < tokens; t++)
        {
            float* from = rows + ((nint)t * width), into = Data.At(token + t, head);
            if (Accumulate)
            {
                VectorLoops.Zip<Sum, Overwrite>(default, into, from, into, dim);
            }
            else
            {
                Buffer.MemoryCopy(from, into, dim * sizeof(float), dim * sizeof(float));
            }
        }
    }
}

/// <summary>
/// The backward pass of attention, by blocks of keys and queries, with the probabilities recomputed from the log-sum-exp (Dao 2023). With
/// enough key heads, an item is one key head and computes all gradients in one pass; else a first pass has blocks of keys as items, and a
/// second one blocks of queries. The choice depends on the shape alone. dBias, unless null, has an element for each score.
/// </summary>
internal readonly unsafe struct AttentionBackward<TTile>(
    AttentionInputs inputs, HeadPointer dO, float* lse, float* delta, AttentionTarget dq, AttentionTarget dk, AttentionTarget dv,
    float* dBias, WorkerPool pool)
    where TTile : struct, ITile
{
    private const int EnoughItems = 4;
    private readonly float* _lse = lse, _delta = delta, _dBias = dBias;

    public void Run()
    {
        var shape = inputs.Shape;
        int pairs = shape.Batch * shape.KeyHeads, keyBlocks = Ranges.Count(shape.KeyLength, AttentionBlocks.Of(shape.KeyLength));
        bool keysWanted = dk.IsNeeded || dv.IsNeeded;
        if (pairs >= EnoughItems || keyBlocks <= 1)
        {
            AllBody all = new(this);
            pool.For(dq.IsNeeded || keysWanted ? pairs : 0, ref all);
            return;
        }

        if (keysWanted)
        {
            KeyBody keys = new(this, keyBlocks);
            pool.For(pairs * keyBlocks, ref keys);
        }

        if (dq.IsNeeded)
        {
            int queryBlocks = Ranges.Count(shape.QueryLength, AttentionGradientBlock<TTile>.Queries);
            QueryBody queries = new(this, queryBlocks);
            pool.For(shape.Batch * shape.Heads * queryBlocks, ref queries);
        }
    }

    // Only the first pass adds to dBias.
    private AttentionGradientBlock<TTile> Block(int b, int keyHead, bool withQueries, bool withKeys) =>
        new(inputs, dO, _lse, _delta, withQueries ? dq : default, withKeys ? dk : default, withKeys ? dv : default,
            withKeys || !(dk.IsNeeded || dv.IsNeeded) ? _dBias : null, b, keyHead);

    private readonly struct AllBody(AttentionBackward<TTile> work) : IParallelBody
    {
        public void Run(int item)
        {
            var shape = work.Inputs.Shape;
            int group = work.Inputs.Group, keyHead = item % shape.KeyHeads;
            work.Block(item / shape.KeyHeads, keyHead, true, true)
                .Run(keyHead * group, group, 0, shape.QueryLength, 0, shape.KeyLength, work.Pool);
        }
    }

    private readonly struct KeyBody(AttentionBackward<TTile> work, int blocks) : IParallelBody
    {
        public void Run(int item)
        {
            var shape = work.Inputs.Shape;
            int pair = item / blocks, keyHead = pair % shape.KeyHeads, group = work.Inputs.Group;
            int block = AttentionBlocks.Of(shape.KeyLength), first = item % blocks * block;
            work.Block(pair / shape.KeyHeads, keyHead, false, true).Run(
                keyHead * group, group, 0, shape.QueryLength, first, Math.Min(block, shape.KeyLength - first), work.Pool);
        }
    }

    private readonly struct QueryBody(AttentionBackward<TTile> work, int blocks) : IParallelBody
    {
        public void Run(int item)
        {
            var shape = work.Inputs.Shape;
            int pair = item / blocks, h = pair % shape.Heads, first = item % blocks * AttentionGradientBlock<TTile>.Queries;
            work.Block(pair / shape.Heads, h / work.Inputs.Group, true, false).Run(
                h, 1, first, Math.Min(AttentionGradientBlock<TTile>.Queries, shape.QueryLength - first), 0, shape.KeyLength, work.Pool);
        }
    }

    private AttentionInputs Inputs => inputs;

    private WorkerPool Pool => pool;
}
