using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>
/// The backward pass for some queries and some keys of one key head. With P = e^(S − lse) and dS = P∘(dO·Vᵀ − delta)·scale:
/// dV += Pᵀ·dO,  dK += dSᵀ·Q,  dQ += dS·K.
/// </summary>
internal unsafe ref struct AttentionGradientBlock<TTile>
    where TTile : struct, ITile
{
    /// <summary>Queries of a block: a multiple of every tile's rows and columns, as <see cref="AttentionBlocks"/>' keys are.</summary>
    public const int Queries = 96;

    // Keys of a block, and the floats between the scores of two queries: an odd number of cache lines, so that a column of scores is spread
    // over all sets of the first-level cache.
    private readonly int _block, _stride;

    private readonly AttentionInputs _inputs;
    private readonly HeadPointer _dO;
    private readonly float* _lse, _delta, _dBias;
    private readonly AttentionTarget _dq, _dk, _dv;
    private readonly int _b, _keyHead, _dim, _width, _valueDim, _valueWidth;
    private float* _queryPanels, _gradientPanels, _queryStrips, _gradientStrips, _keyStrips, _valueStrips, _keyRows;
    private float* _probabilities, _scoreGrads, _softcapGrad, _kept, _keySums, _valueSums, _panel, _tile;

    public AttentionGradientBlock(
        AttentionInputs inputs, HeadPointer dO, float* lse, float* delta, AttentionTarget dq, AttentionTarget dk, AttentionTarget dv,
        float* dBias, int b, int keyHead)
    {
        _inputs = inputs;
        _dO = dO;
        _lse = lse;
        _delta = delta;
        _dq = dq;
        _dk = dk;
        _dv = dv;
        _dBias = dBias;
        _b = b;
        _keyHead = keyHead;
        _block = AttentionBlocks.Of(inputs.Shape.KeyLength);
        _stride = _block + 16;
        _dim = inputs.Shape.HeadDim;
        _width = Ranges.Count(_dim, TTile.Columns) * TTile.Columns;
        _valueDim = inputs.Shape.ValueDim;
        _valueWidth = Ranges.Count(_valueDim, TTile.Columns) * TTile.Columns;
    }

    /// <summary>Adds the contributions of all pairs of these query heads, queries and keys, block by block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int firstHead, int heads, int firstQuery, int queries, int firstKey, int keys, WorkerPool pool)
    {
        var shape = _inputs.Shape;
        using var scratch = pool.Scratch.Rent(Partition(null));
        Partition(scratch.Pointer);
        for (int h = firstHead; h < firstHead + heads; h++)
        {
            _dq.Start(((long)_b * shape.QueryLength) + firstQuery, queries, h, _dim);
        }

        for (int key = firstKey; key < firstKey + keys; key += _block)
        {
            int keyCount = Math.Min(_block, firstKey + keys - key);
            long keyToken = ((long)_b * shape.KeyLength) + key;
            AttentionPacking.PackTransposed<TTile>(_inputs.Key(_b, key, _keyHead), _inputs.KeyStride, keyCount, _dim, _keyStrips);
            AttentionPacking.PackTransposed<TTile>(_inputs.Value(_b, key, _keyHead), _inputs.ValueStride, keyCount, _valueDim,
                _valueStrips);
            AttentionPacking.Pack<TTile>(_inputs.Key(_b, key, _keyHead), _inputs.KeyStride, keyCount, _dim, _keyRows);
            new Span<float>(_keySums, _block * _width).Clear();
            new Span<float>(_valueSums, _block * _valueWidth).Clear();
            for (int h = firstHead; h < firstHead + heads; h++)
            {
                for (int query = firstQuery; query < firstQuery + queries; query += Queries)
                {
                    AddBlock(h, query, Math.Min(Queries, firstQuery + queries - query), key, keyCount);
                }
            }

            if (_dk.IsNeeded)
            {
                _dk.Put(_keySums, _width, keyToken, keyCount, _keyHead, _dim);
            }

            if (_dv.IsNeeded)
            {
                _dv.Put(_valueSums, _valueWidth, keyToken, keyCount, _keyHead, _valueDim);
            }
        }
    }

    // Splits a buffer into the workspaces, and returns its length; with null only the length is of use.
    private long Partition(float* buffer)
    {
        float* next = buffer;
        _queryPanels = Take(ref next, Queries * _dim);
        _gradientPanels = Take(ref next, Queries * _valueDim);
        _queryStrips = Take(ref next, Queries * _width);
        _gradientStrips = Take(ref next, Queries * _valueWidth);
        _keyStrips = Take(ref next, _block * _dim);
        _valueStrips = Take(ref next, _block * _valueDim);
        _keyRows = Take(ref next, _block * _width);
        _probabilities = Take(ref next, Queries * _stride);
        _scoreGrads = Take(ref next, Queries * _stride);
        _softcapGrad = Take(ref next, _inputs.Capped ? _block : 0);
        _kept = Take(ref next, _inputs.Drops ? _block + 4 : 0);
        _keySums = Take(ref next, _block * _width);
        _valueSums = Take(ref next, _block * _valueWidth);
        _panel = Take(ref next, _block * TTile.Rows);
        _tile = Take(ref next, TTile.Rows * TTile.Columns);
        return next - buffer;
    }

    private static float* Take(ref float* next, int count)
    {
        float* taken = next;
        next += count;
        return taken;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddBlock(int h, int query, int queries, int key, int keys)
    {
        _inputs.Range(_b, query, queries, out int from, out int to);
        if (Math.Max(from, key) >= Math.Min(to, key + keys))
        {
            return;
        }

        long token = ((long)_b * _inputs.Shape.QueryLength) + query;
        AttentionPacking.PackRows<TTile>(_inputs.Query(_b, query, h), _inputs.QueryStride, queries, _dim, _queryPanels);
        AttentionPacking.PackRows<TTile>(_dO.At(token, h), _dO.Stride, queries, _valueDim, _gradientPanels);
        for (int row = 0; row < queries; row += TTile.Rows)
        {
            int rows = Math.Min(TTile.Rows, queries - row);
            ComputeScores(h, query + row, row, rows, key, keys, out from, out to);
            if (_dq.IsNeeded && from < to)
            {
                AddQueryGradient(token + row, h, row, rows, from, to, keys);
            }
        }

        bool all = AllSee(query, queries, key, keys);
        if (_dk.IsNeeded)
        {
            AttentionPacking.Pack<TTile>(_inputs.Query(_b, query, h), _inputs.QueryStride, queries, _dim, _queryStrips);
            AddKeyGradient(_scoreGrads, _queryStrips, _keySums, _width, query, queries, key, keys, all);
        }

        if (_dv.IsNeeded)
        {
            AttentionPacking.Pack<TTile>(_dO.At(token, h), _dO.Stride, queries, _valueDim, _gradientStrips);
            AddKeyGradient(_probabilities, _gradientStrips, _valueSums, _valueWidth, query, queries, key, keys, all);
        }
    }

    // P and dS of a panel of queries; from … to−1 are the keys of the block that any of them attends to.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void ComputeScores(int h, int query, int row, int rows, int key, int keys, out int from, out int to)
    {
        _inputs.Range(_b, query, rows, out from, out to);
        from = Math.Clamp(from - key, 0, keys);
        to = Math.Clamp(to - key, from, keys);
        float* probabilities = _probabilities + (row * _stride), scoreGrads = _scoreGrads + (row * _stride);
        AttentionPacking.Products<TTile>(_queryPanels + (row * _dim), rows, _keyStrips, _dim, from, to, _inputs.Shape.Scale, probabilities,
            _stride);
        AttentionPacking.Products<TTile>(_gradientPanels + (row * _valueDim), rows, _valueStrips, _valueDim, from, to, 1f, scoreGrads,
            _stride);
        for (int r = 0; r < rows; r++, probabilities += _stride, scoreGrads += _stride)
        {
            int i = query + r;
            _inputs.Range(_b, i, out int f, out int t);
            f = Math.Clamp(f - key, from, to);
            t = Math.Clamp(t - key, f, to);
            long at = _inputs.Row(_b, i, h);
            if (_lse[at] == float.NegativeInfinity)
            {
                t = f;
            }

            _inputs.FinishScores(probabilities + f, _softcapGrad, _b, h, i, key + f, key + t);
            Exponentials.Sum(probabilities + f, _lse[at], probabilities + f, t - f);
            float* kept = _inputs.Drops ? _inputs.DropoutFactors(_kept, _b, h, i, key + f, key + t) : null;
            if (kept != null)
            {
                VectorLoops.Zip<Product, Overwrite>(default, scoreGrads + f, kept, scoreGrads + f, t - f);
            }

            if (_dBias != null)
            {
                VectorLoops.Zip<ScoreGrad, Accumulate>(new ScoreGrad(_delta[at], 1f), probabilities + f, scoreGrads + f,
                    _dBias + _inputs.BiasRow(_b, i, h) + key + f, t - f);
            }

            VectorLoops.Zip<ScoreGrad, Overwrite>(new ScoreGrad(_delta[at], _inputs.Shape.Scale), probabilities + f, scoreGrads + f,
                scoreGrads + f, t - f);
            if (kept != null)
            {
                VectorLoops.Zip<Product, Overwrite>(default, probabilities + f, kept, probabilities + f, t - f);
            }

            if (_inputs.Capped)
            {
                VectorLoops.Zip<Product, Overwrite>(default, scoreGrads + f, _softcapGrad, scoreGrads + f, t - f);
            }

            new Span<float>(probabilities, f).Clear();
            new Span<float>(scoreGrads, f).Clear();
            new Span<float>(probabilities + t, _block - t).Clear();
            new Span<float>(scoreGrads + t, _block - t).Clear();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddQueryGradient(long token, int h, int row, int rows, int from, int to, int keys)
    {
        Packing.Transpose<Float32Element>((byte*)(_scoreGrads + (row * _stride) + from), _stride, rows, TTile.Rows, to - from, _panel);
        for (int column = 0; column < _dim; column += TTile.Columns)
        {
            byte* strip = (byte*)(_keyRows + (column * keys) + (from * TTile.Columns));
            if (rows % 4 == 0 && column + TTile.Columns <= _dim)
            {
                TTile.Run<Float32Element>(
                    rows, to - from, _panel, TTile.Rows, strip, TTile.Columns, _dq.Data.At(token, h) + column, _dq.Data.Stride, 1f, true);
                continue;
            }

            TTile.Run<Float32Element>(rows, to - from, _panel, TTile.Rows, strip, TTile.Columns, _tile, TTile.Columns, 1f, false);
            for (int r = 0; r < rows; r++)
            {
                float* into = _dq.Data.At(token + r, h) + column;
                VectorLoops.Zip<Sum, Overwrite>(default, into, _tile + (r * TTile.Columns), into, Math.Min(TTile.Columns, _dim - column));
            }
        }
    }

    // sums[key] += Σ_query x[query, key]·strip[query], x being P or dS; all: every query attends to every key.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddKeyGradient(float* x, float* strips, float* sums, int width, int query, int queries, int key, int keys,
        bool all)
    {
        int first = 0, last = queries;
        for (int k = 0; k < keys; k += TTile.Rows)
        {
            int rows = Math.Min(TTile.Rows, keys - k);
            if (!all)
            {
                QueriesSeeing(query, queries, key + k, rows, out first, out last);
            }

            for (int column = 0; column < width && first < last; column += TTile.Columns)
            {
                TTile.Run<Float32Element>(
                    rows, last - first, x + (first * _stride) + k, _stride, (byte*)(strips + (column * queries) + (first * TTile.Columns)),
                    TTile.Columns,
                    sums + (k * width) + column, width, 1f, true);
            }
        }
    }

    // Whether all of these queries attend to all of these keys, as without a mask.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly bool AllSee(int query, int queries, int key, int keys)
    {
        for (int i = query; i < query + queries; i++)
        {
            _inputs.Range(_b, i, out int from, out int to);
            if (from > key || to < key + keys)
            {
                return false;
            }
        }

        return true;
    }

    // The range of queries that attend to any of these keys.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void QueriesSeeing(int query, int queries, int key, int keys, out int first, out int last)
    {
        first = queries;
        last = 0;
        for (int i = 0; i < queries; i++)
        {
            _inputs.Range(_b, query + i, out int from, out int to);
            if (from < to && from < key + keys && to > key)
            {
                first = Math.Min(first, i);
                last = i + 1;
            }
        }
    }

    private readonly struct ScoreGrad(float delta, float scale) : IVectorZip
    {
        public Vector<float> Apply(Vector<float> a, Vector<float> b) =>
            a * (b - new Vector<float>(delta)) * scale;
    }
}
