using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// softmax(QKᵀ)·V by blocks, with a running maximum and sum per row (online softmax: Milakov and Gimelshein 2018; Dao et al. 2022). An item
/// is a block of queries of one head, with a loop over the blocks of keys that it attends to.
/// </summary>
internal readonly unsafe struct AttentionForward<TTile>(AttentionInputs inputs, HeadPointer o, float* lse, WorkerPool pool) : IParallelBody
    where TTile : struct, ITile
{
    private readonly float* _lse = lse;

    public static int Items(in AttentionShape shape) =>
        shape.Batch * shape.Heads * Ranges.Count(shape.QueryLength, AttentionBlocks.Of(shape.QueryLength));

    public void Run(int item)
    {
        var shape = inputs.Shape;
        int block = AttentionBlocks.Of(shape.QueryLength), blocks = Ranges.Count(shape.QueryLength, block);
        int heads = shape.Batch * shape.Heads;
        // Under a causal mask the last block of queries attends to the most keys, so it starts first.
        int first = (blocks - 1 - (item / heads)) * block, b = item % heads / shape.Heads, h = item % heads % shape.Heads;
        new Block(inputs, o, _lse, b, h, first).Run(pool);
    }

    private ref struct Block
    {
        private readonly AttentionInputs _inputs;
        private readonly HeadPointer _o;
        private readonly float* _lse;
        private readonly int _b, _h, _first, _count, _queryBlock, _keyBlock, _dim, _valueDim, _width;
        private float* _queries, _keys, _values, _scores, _panel, _sums, _max, _total, _kept;

        public Block(AttentionInputs inputs, HeadPointer o, float* lse, int b, int h, int first)
        {
            _inputs = inputs;
            _o = o;
            _lse = lse;
            _b = b;
            _h = h;
            _first = first;
            _queryBlock = AttentionBlocks.Of(inputs.Shape.QueryLength);
            _keyBlock = AttentionBlocks.Of(inputs.Shape.KeyLength);
            _count = Math.Min(_queryBlock, inputs.Shape.QueryLength - first);
            _dim = inputs.Shape.HeadDim;
            _valueDim = inputs.Shape.ValueDim;
            _width = Ranges.Count(_valueDim, TTile.Columns) * TTile.Columns;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(WorkerPool pool)
        {
            long perToken = _dim + _width;
            long kept = _inputs.Drops ? _keyBlock + 4 : 0;
            using var scratch = pool.Scratch.Rent((_queryBlock * (perToken + 2)) + (_keyBlock * (perToken + (2L * TTile.Rows))) + kept);
            _queries = scratch.Pointer;
            _keys = _queries + (_queryBlock * _dim);
            _values = _keys + (_keyBlock * _dim);
            _scores = _values + (_keyBlock * _width);
            _panel = _scores + (_keyBlock * TTile.Rows);
            _sums = _panel + (_keyBlock * TTile.Rows);
            _max = _sums + (_queryBlock * _width);
            _total = _max + _queryBlock;
            _kept = _total + _queryBlock;
            new Span<float>(_sums, _queryBlock * _width).Clear();
            new Span<float>(_max, _queryBlock).Fill(float.NegativeInfinity);
            new Span<float>(_total, _queryBlock).Clear();

            AttentionPacking.PackRows<TTile>(_inputs.Query(_b, _first, _h), _inputs.QueryStride, _count, _dim, _queries);
            _inputs.Range(_b, _first, _count, out int from, out int to);
            for (int key = from / _keyBlock * _keyBlock; key < to; key += _keyBlock)
            {
                int keys = Math.Min(_keyBlock, _inputs.Shape.KeyLength - key), keyHead = _h / _inputs.Group;
                long token = ((long)_b * _inputs.Shape.KeyLength) + key;
                _inputs.Keys.PackTransposed<TTile>(token, keyHead, keys, _dim, _keys);
                _inputs.Values.Pack<TTile>(token, keyHead, keys, _valueDim, _values);
                for (int row = 0; row < _count; row += TTile.Rows)
                {
                    Step(row, Math.Min(TTile.Rows, _count - row), key, keys);
                }
            }

            Finish();
        }

        // One panel of queries and one block of keys: scores, online softmax, sums += probabilities·v.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Step(int row, int rows, int key, int keys)
        {
            _inputs.Range(_b, _first + row, rows, out int from, out int to);
            from = Math.Max(from - key, 0);
            to = Math.Min(to - key, keys);
            if (from >= to)
            {
                return;
            }

            AttentionPacking.Products<TTile>(_queries + (row * _dim), rows, _keys, _dim, from, to, _inputs.Shape.Scale, _scores, _keyBlock);
            for (int r = 0; r < rows; r++)
            {
                OnlineSoftmax(row + r, _scores + (r * _keyBlock), key, from, to);
            }

            Packing.Transpose<Float32Element>((byte*)(_scores + from), _keyBlock, rows, TTile.Rows, to - from, _panel);
            for (int column = 0; column < _width; column += TTile.Columns)
            {
                TTile.Run<Float32Element>(
                    rows, to - from, _panel, TTile.Rows, (byte*)(_values + (column * keys) + (from * TTile.Columns)), TTile.Columns,
                    _sums + (row * _width) + column, _width, 1f, true);
            }
        }

        // Turns the scores of one query into e^(score − running maximum), 0 for keys that it does not attend to, and rescales the sums so
        // far if the maximum has grown.
        private readonly void OnlineSoftmax(int row, float* scores, int key, int from, int to)
        {
            _inputs.Range(_b, _first + row, out int f, out int t);
            f = Math.Clamp(f - key, from, to);
            t = Math.Clamp(t - key, f, to);
            float max = float.NegativeInfinity, old = _max[row];
            if (f < t)
            {
                _inputs.FinishScores(scores + f, null, _b, _h, _first + row, key + f, key + t);
                max = MathF.Max(old, Simd.Max(scores + f, t - f));
            }

            if (max == float.NegativeInfinity)
            {
                f = t = from;
            }
            else
            {
                if (max != old)
                {
                    float rescale = MathF.Exp(old - max);
                    float* sums = _sums + (row * _width);
                    VectorLoops.Map<Scaling, Overwrite>(new Scaling(rescale), sums, sums, _width);
                    _total[row] *= rescale;
                    _max[row] = max;
                }

                _total[row] += Exponentials.Sum(scores + f, max, scores + f, t - f);
                if (_inputs.Drops)
                {
                    float* factors = _inputs.DropoutFactors(_kept, _b, _h, _first + row, key + f, key + t);
                    VectorLoops.Zip<Product, Overwrite>(default, scores + f, factors, scores + f, t - f);
                }
            }

            new Span<float>(scores + from, f - from).Clear();
            new Span<float>(scores + t, to - t).Clear();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Finish()
        {
            float sink = _inputs.Sink(_h);
            for (int row = 0; row < _count; row++)
            {
                float max = _max[row], total = _total[row], factor = total == 0 ? 0f : 1f / total;
                if (sink > float.NegativeInfinity)
                {
                    AttentionSink.AddTo(ref max, ref total, sink, out factor);
                }

                float* into = _o.At(((long)_b * _inputs.Shape.QueryLength) + _first + row, _h);
                VectorLoops.Map<Scaling, Overwrite>(new Scaling(factor), _sums + (row * _width), into, _valueDim);
                _lse[_inputs.Row(_b, _first + row, _h)] = max + MathF.Log(total);
            }
        }
    }
}
