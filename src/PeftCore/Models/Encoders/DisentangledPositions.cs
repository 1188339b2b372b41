using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>Settings of relative positions (DeBERTa).</summary>
/// <param name="Span">Distances before a token that the table has rows for, and as many after it: buckets, or tokens.</param>
/// <param name="Buckets">Half of the buckets that distances fall into, on a logarithmic scale for far ones; 0 for none.</param>
/// <param name="MaxDistance">The distance whose bucket is the last one.</param>
/// <param name="ContentToPosition">Whether queries are scored with the positions of keys ("c2p").</param>
/// <param name="PositionToContent">Whether keys are scored with the positions of queries ("p2c").</param>
/// <param name="SharedProjections">Whether the query and key projections of a block project positions too ("share_att_key").</param>
/// <param name="Normalized">Whether a layer norm follows the table.</param>
internal sealed record RelativePositions(int Span, int Buckets, int MaxDistance, bool ContentToPosition, bool PositionToContent,
    bool SharedProjections, bool Normalized);

/// <summary>Disentangled attention (He et al. 2021): the score of query i and key j is (q_i·k_j + q_i·K_δ + k_j·Q_δ)/√(3D), with keys K and
/// queries Q of the distance δ = i − j from a table that all blocks share.</summary>
internal sealed class DisentangledPositions(RelativePositions relative, EncoderSpec spec) : IDisposable
{
    private const int MostLengths = 16;

    private readonly Embedding _table = new(2 * relative.Span, spec.HiddenSize);
    private readonly LayerNorm? _norm = relative.Normalized ? new LayerNorm(spec.HiddenSize, spec.Epsilon) : null;
    private readonly Dictionary<int, Rows> _rows = []; // by length
    private readonly Lock _lock = new();

    /// <summary>How many times row numbers were freed: a captured pass reads them at their address.</summary>
    public int Version { get; private set; }

    /// <summary>How many products a score is the sum of.</summary>
    public int Terms => 1 + (relative.ContentToPosition ? 1 : 0) + (relative.PositionToContent ? 1 : 0);

    /// <summary>Adds the table and its norm to the model.</summary>
    public void AddTo(Action<string, Module> add)
    {
        add("encoder.rel_embeddings", _table);
        if (_norm is not null)
        {
            add("encoder.LayerNorm", _norm);
        }
    }

    /// <summary>The projections of positions in one block: its own, or those of queries and keys.</summary>
    public PositionLayers LayersOf(Linear query, Linear key, Func<string, Linear, Linear> add)
    {
        if (relative.SharedProjections)
        {
            return new PositionLayers(query, key);
        }
        int c = spec.HiddenSize;
        var keys = relative.ContentToPosition ? add("attention.self.pos_key_proj", new Linear(c, c, bias: true)) : null;
        var queries = relative.PositionToContent ? add("attention.self.pos_query_proj", new Linear(c, c, bias: true)) : null;
        return new PositionLayers(queries, keys);
    }

    /// <summary>The part of the scores that depends on distances: F32 (B, H, T, T).</summary>
    /// <param name="layers">The projections of the block.</param>
    /// <param name="q">(B, T, C): queries.</param>
    /// <param name="k">(B, T, C): keys.</param>
    /// <param name="scale">Factor of every product.</param>
    /// <param name="dropout">Dropout on the table.</param>
    public Tensor? Bias(PositionLayers layers, Tensor q, Tensor k, float scale, DropoutKey dropout)
    {
        if (Terms == 1)
        {
            return null;
        }
        using var scope = new TensorScope("positions");
        var rows = RowsOf(q);
        var table = _table.Forward(rows.All); // (2·span, C)
        table = (_norm is null ? table : _norm.Forward(table)).Dropout(dropout);
        // Row δ of the table for a query and a key; seen from the key, row and column are exchanged and the distance is −δ.
        var bias = relative.ContentToPosition ? Products(q, layers.Key!).GatherRelative(rows.OfQueries) : null;
        if (relative.PositionToContent)
        {
            var ofKeys = Products(k, layers.Query!).GatherRelative(rows.OfKeys, transpose: true);
            bias = bias is null ? ofKeys : bias + ofKeys;
        }
        return scope.Return(bias!);

        Tensor Products(Tensor x, Linear projection) =>
            x.Cast(DType.F32).HeadProducts(projection.Forward(table).Cast(DType.F32), spec.Heads, scale);
    }

    /// <summary>Frees the tables of row numbers.</summary>
    public void Dispose()
    {
        foreach (var rows in _rows.Values)
        {
            rows.Dispose();
        }
        _rows.Clear();
    }

    /// <summary>The bucket of a distance: itself up to half of the buckets, then on a logarithmic scale up to the largest one.</summary>
    internal int BucketOf(int distance)
    {
        int middle = relative.Buckets / 2;
        if (relative.Buckets == 0 || Math.Abs(distance) <= middle)
        {
            return distance;
        }
        // In single precision, as in transformers: a distance at the edge of a bucket falls into the same one.
        float log = MathF.Ceiling(MathF.Log((float)Math.Abs(distance) / middle) / MathF.Log((relative.MaxDistance - 1f) / middle)
            * (middle - 1));
        return Math.Sign(distance) * ((int)log + middle);
    }

    // Views in the current scope, because another thread may free the tables meanwhile.
    private Rows RowsOf(Tensor x)
    {
        lock (_lock)
        {
            return Known(x).Views();
        }
    }

    private Rows Known(Tensor x)
    {
        int length = x.Shape[1];
        if (!_rows.TryGetValue(length, out var rows) || rows.All.Device != x.Device)
        {
            if (rows is not null || _rows.Count == MostLengths)
            {
                Dispose();
                Version++;
            }
            int[] ofQueries = new int[length * length], ofKeys = new int[length * length];
            for (int i = 0; i < ofQueries.Length; i++)
            {
                int distance = i / length - i % length;
                (ofQueries[i], ofKeys[i]) = (RowOf(distance), RowOf(-distance));
            }
            _rows[length] = rows = new Rows(Constant([.. Enumerable.Range(0, 2 * relative.Span)], [2 * relative.Span]),
                Constant(ofQueries, [length, length]), Constant(ofKeys, [length, length]));
        }
        return rows;

        Tensor Constant(int[] values, Shape shape) => x.Backend.From(values, shape, MemoryKind.Frozen).Keep();
    }

    private int RowOf(int distance) => Math.Clamp(BucketOf(distance) + relative.Span, 0, 2 * relative.Span - 1);

    /// <summary>I32 row numbers of the table: all of them, those of keys as each query sees them, (queries, keys), and those of queries as
    /// each key sees them, (keys, queries).</summary>
    private sealed record Rows(Tensor All, Tensor OfQueries, Tensor OfKeys) : IDisposable
    {
        public Rows Views() => new(All.View(All.Shape), OfQueries.View(OfQueries.Shape), OfKeys.View(OfKeys.Shape));

        public void Dispose()
        {
            All.Dispose();
            OfKeys.Dispose();
            OfQueries.Dispose();
        }
    }
}

/// <summary>The layers that project positions in one block.</summary>
/// <param name="Query">Makes queries of positions; null without p2c.</param>
/// <param name="Key">Makes keys of positions; null without c2p.</param>
internal sealed record PositionLayers(Linear? Query, Linear? Key);
