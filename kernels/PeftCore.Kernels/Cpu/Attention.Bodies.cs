namespace PeftCore.Kernels;

public static unsafe partial class Attention
{
    private readonly struct ForwardBody(
        Scores scores, float* v, HeadLayout vl, float* o, HeadLayout ol, float* lse, WorkerPool pool) : IParallelBody
    {
        private readonly float* _v = v, _o = o, _lse = lse;

        public void Run(int item)
        {
            AttentionShape shape = scores.Shape;
            int blocks = Ranges.Count(shape.QueryLength, QueryBlock), pair = item / blocks;
            int b = pair / shape.Heads, h = pair % shape.Heads, first = item % blocks * QueryBlock;
            using Scratch scratch = pool.Scratch.Rent(shape.KeyLength);
            float* p = scratch.Pointer;
            for (int i = first; i < Math.Min(shape.QueryLength, first + QueryBlock); i++)
            {
                float* into = _o + (((long)b * shape.QueryLength) + i) * ol.RowStride + ol.Offset + ((long)h * ol.HeadStride);
                new Span<float>(into, shape.HeadDim).Clear();
                scores.Range(b, i, out int from, out int to);
                long at = (((long)b * shape.Heads) + h) * shape.QueryLength + i;
                if (from >= to)
                {
                    _lse[at] = float.NegativeInfinity;
                    continue;
                }

                scores.Row(b, i, h, from, to, p, null);
                float max = Simd.Max(p, to - from), sum = 0;
                for (int j = 0; j < to - from; j++)
                {
                    p[j] = MathF.Exp(p[j] - max);
                    sum += p[j];
                }

                _lse[at] = max + MathF.Log(sum);
                for (int j = from; j < to; j++)
                {
                    float* value = _v + (((long)b * shape.KeyLength) + j) * vl.RowStride + vl.Offset + ((long)scores.KeyHead(h) * vl.HeadStride);
                    Simd.AddScaled(value, p[j - from] / sum, into, shape.HeadDim);
                }
            }
        }
    }

    private readonly struct BackwardBody(
        Scores scores, float* v, HeadLayout vl, float* o, HeadLayout ol, float* dO, HeadLayout dol, float* lse, float* delta,
        Target dq, Target dk, Target dv, WorkerPool pool) : IParallelBody
    {
        private readonly float* _v = v, _o = o, _dO = dO, _lse = lse, _delta = delta;

        public void Run(int item)
        {
            AttentionShape shape = scores.Shape;
            int b = item / shape.KeyHeads, keyHead = item % shape.KeyHeads, group = shape.Heads / shape.KeyHeads, dim = shape.HeadDim;
            using Scratch scratch = pool.Scratch.Rent((2L * shape.KeyLength) + dim);
            float* p = scratch.Pointer, bent = p + shape.KeyLength, sum = bent + shape.KeyLength;
            for (int j = 0; j < shape.KeyLength; j++)
            {
                long token = ((long)b * shape.KeyLength) + j;
                if (dk.Data != null && !dk.Accumulate)
                {
                    new Span<float>(dk.At(token, keyHead), dim).Clear();
                }

                if (dv.Data != null && !dv.Accumulate)
                {
                    new Span<float>(dv.At(token, keyHead), dim).Clear();
                }
            }

            for (int h = keyHead * group; h < (keyHead + 1) * group; h++)
            {
                for (int i = 0; i < shape.QueryLength; i++)
                {
                    long token = ((long)b * shape.QueryLength) + i, at = (((long)b * shape.Heads) + h) * shape.QueryLength + i;
                    float* outGradient = _dO + (token * dol.RowStride) + dol.Offset + ((long)h * dol.HeadStride);
                    float* output = _o + (token * ol.RowStride) + ol.Offset + ((long)h * ol.HeadStride);
                    _delta[at] = Simd.Dot(outGradient, output, dim);
                    new Span<float>(sum, dim).Clear();
                    scores.Range(b, i, out int from, out int to);
                    scores.Row(b, i, h, from, to, p, bent);
                    float* query = scores.Query(b, i, h);
                    for (int j = from; j < to; j++)
                    {
                        long keyToken = ((long)b * shape.KeyLength) + j;
                        float probability = MathF.Exp(p[j - from] - _lse[at]);
                        float* value = _v + (keyToken * vl.RowStride) + vl.Offset + ((long)keyHead * vl.HeadStride);
                        float ds = probability * (Simd.Dot(outGradient, value, dim) - _delta[at]) * bent[j - from] * shape.Scale;
                        Simd.AddScaled(scores.Key(b, j, keyHead), ds, sum, dim);
                        if (dk.Data != null)
                        {
                            Simd.AddScaled(query, ds, dk.At(keyToken, keyHead), dim);
                        }

                        if (dv.Data != null)
                        {
                            Simd.AddScaled(outGradient, probability, dv.At(keyToken, keyHead), dim);
                        }
                    }

                    if (dq.Data != null)
                    {
                        float* into = dq.At(token, h);
                        if (dq.Accumulate)
                        {
                            Simd.AddScaled(sum, 1f, into, dim);
                        }
                        else
                        {
                            Buffer.MemoryCopy(sum, into, dim * sizeof(float), dim * sizeof(float));
                        }
                    }
                }
            }
        }
    }

    // One query position of all batches and heads, so that shared bias rows have one writer.
    private readonly struct BiasBody(
        Scores scores, float* v, HeadLayout vl, float* dO, HeadLayout dol, float* lse, float* delta, float* dBias, WorkerPool pool) : IParallelBody
    {
        private readonly float* _v = v, _dO = dO, _lse = lse, _delta = delta, _dBias = dBias;

        public void Run(int i)
        {
            AttentionShape shape = scores.Shape;
            using Scratch scratch = pool.Scratch.Rent(shape.KeyLength);
            float* p = scratch.Pointer;
            for (int b = 0; b < shape.Batch; b++)
            {
                for (int h = 0; h < shape.Heads; h++)
                {
                    long token = ((long)b * shape.QueryLength) + i, at = (((long)b * shape.Heads) + h) * shape.QueryLength + i;
                    float* outGradient = _dO + (token * dol.RowStride) + dol.Offset + ((long)h * dol.HeadStride);
                    float* into = _dBias + ((((long)(scores.SharesBias ? 0 : h) * shape.QueryLength) + i) * shape.KeyLength);
                    scores.Range(b, i, out int from, out int to);
                    scores.Row(b, i, h, from, to, p, null);
                    for (int j = from; j < to; j++)
                    {
                        float* value = _v + (((long)b * shape.KeyLength) + j) * vl.RowStride + vl.Offset + ((long)scores.KeyHead(h) * vl.HeadStride);
                        into[j] += MathF.Exp(p[j - from] - _lse[at]) * (Simd.Dot(outGradient, value, shape.HeadDim) - _delta[at]);
                    }
                }
            }
        }
    }
}
